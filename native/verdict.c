/* SPDX-License-Identifier: MIT */
/* Hop 4: the watchers' state machine. */
#include "verdict.h"

#define ROW(state, event, next, what) [state][event] = { next, what }

/* A pair that is not listed changes nothing; GUARD_NONE is no state to move to, so 0 marks it. */
static const struct move table[GUARD_STATES][EVENTS] = {
	ROW(GUARD_QUIET, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: quiet_opens */
	ROW(GUARD_QUIET, EVENT_OOM, GUARD_HANDED,
	    ACT_OPEN), /* the kernel was first, or we observe */
	/* model: quiet_joins */
	ROW(GUARD_QUIET, EVENT_JOIN, GUARD_HANDED, ACT_OPEN),
	/* model: quiet_holds */
	ROW(GUARD_QUIET, EVENT_NEAR, GUARD_NEAR, ACT_HOLD),

	ROW(GUARD_NEAR, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: near_opens */
	ROW(GUARD_NEAR, EVENT_OOM, GUARD_OOM, ACT_OPEN),
	/* model: near_joins */
	ROW(GUARD_NEAR, EVENT_JOIN, GUARD_RELIEF, ACT_OPEN),
	/* model: near_yields */
	ROW(GUARD_NEAR, EVENT_OVERRODE, GUARD_QUIET, ACT_YIELD),
	/* model: near_is_unfit */
	ROW(GUARD_NEAR, EVENT_UNFIT, GUARD_QUIET, ACT_LET_GO),
	/* model: near_is_far */
	ROW(GUARD_NEAR, EVENT_FAR, GUARD_QUIET, ACT_LET_GO),

	ROW(GUARD_OOM, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: oom_is_free */
	ROW(GUARD_OOM, EVENT_FREE, GUARD_RELIEF, ACT_NOTHING),
	/* model: oom_yields */
	ROW(GUARD_OOM, EVENT_OVERRODE, GUARD_HANDED, ACT_YIELD),
	/* model: oom_hands_over */
	ROW(GUARD_OOM, EVENT_VERDICT, GUARD_HANDED, ACT_HAND_OVER),

	ROW(GUARD_RELIEF, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: relief_fails */
	ROW(GUARD_RELIEF, EVENT_OOM, GUARD_OOM,
	    ACT_NOTHING), /* the same incident, the same timer */
	/* model: relief_yields */
	ROW(GUARD_RELIEF, EVENT_OVERRODE, GUARD_HANDED, ACT_YIELD),
	/* model: relief_holds */
	ROW(GUARD_RELIEF, EVENT_HELD, GUARD_NEAR, ACT_CLOSE),

	ROW(GUARD_HANDED, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: handed_is_free */
	ROW(GUARD_HANDED, EVENT_HELD, GUARD_QUIET, ACT_CLOSE),
	/* model: handed_alarms */
	ROW(GUARD_HANDED, EVENT_OVERDUE, GUARD_ALARM, ACT_CLOSE_UNRELIEVED),

	ROW(GUARD_ALARM, EVENT_GONE, GUARD_GONE, ACT_FORGET),
	/* model: alarm_is_free */
	ROW(GUARD_ALARM, EVENT_HELD, GUARD_QUIET, ACT_NOTHING),
};

struct move verdict_next(enum guard_state state, enum event event)
{
	struct move move = table[state][event];

	if (move.state == GUARD_NONE)
		return (struct move){ (uint8_t)state, ACT_NOTHING };
	return move;
}

enum event verdict_event(enum guard_state state, const struct look *look)
{
	if (look->gone)
		return EVENT_GONE;
	if (look->overrode)
		return EVENT_OVERRODE;
	if (state == GUARD_OOM && look->reason && look->in_oom)
		return EVENT_VERDICT;
	if (state == GUARD_HANDED && look->overdue)
		return EVENT_OVERDUE;
	if (look->in_oom || ((state == GUARD_QUIET || state == GUARD_NEAR) && look->kernel_killed))
		return EVENT_OOM;
	if (state == GUARD_OOM)
		return EVENT_FREE;
	if (state == GUARD_RELIEF && look->waits_for_end)
		return EVENT_NONE;
	if (state == GUARD_RELIEF || state == GUARD_HANDED || state == GUARD_ALARM)
		return look->free_ms >=
				       (look->unsettled ? RELIEF_UNSETTLED_HOLD_MS : RELIEF_HOLD_MS)
			       ? EVENT_HELD
			       : EVENT_NONE;
	if (look->incident_open)
		return EVENT_JOIN;
	if (!look->fit)
		return EVENT_UNFIT;
	if (look->inside_margin)
		return EVENT_NEAR;
	return look->outside_ms >= FAR_AFTER_MS ? EVENT_FAR : EVENT_NONE;
}

enum reason verdict_on_handler(const struct trial *trial)
{
	uint32_t unseen_ms = trial->delay_ms < UNSEEN_AFTER_MS ? trial->delay_ms : UNSEEN_AFTER_MS;

	if (trial->dead)
		return REASON_HANDLER_DEAD;
	if (trial->asleep)
		return REASON_HANDLER_ASLEEP;
	if (trial->asks)
		return (enum reason)trial->asks;
	if (!trial->seen && trial->age_ms >= unseen_ms)
		return REASON_HANDLER_UNSEEN;
	if (trial->age_ms >= trial->delay_ms)
		return REASON_DEADLINE;
	if (trial->over_budget)
		return REASON_BUDGET;
	return REASON_NONE;
}
