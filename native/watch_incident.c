/* SPDX-License-Identifier: MIT */
/* Hop 4d: the owner opens an incident, and closes it with its outcome and reason. */
#include "handed.h"
#include "log.h"
#include "sys.h"
#include "trial.h"

void watch_set_reason(struct watched *w, enum reason reason)
{
	uint64_t word = shared_load(&w->guard->incident);

	shared_store(&w->guard->judged, word << 32 | (uint32_t)reason);
}

void watch_open_incident(struct watched *w, enum cause cause, uint64_t now_ns)
{
	int opened;

	incident_open(w->guard, now_ns, &opened);
	w->handed_over = 0;
	trial_begin(w, now_ns);
	handed_begin(w, now_ns);
	if (w->free_ns)
		w->free_ns =
			now_ns; /* relief has to hold from now on, however calm it was before */
	if (w->state == GUARD_HANDED)
		watch_set_reason(w, REASON_BURST);
	if (!opened)
		return;
	watch_tell(w, STEP_OPENED, cause, 0);
	trial_tell(w);
	role_wake(FD_RESPONDER); /* there may have been no event to wake it */
	role_wake(FD_HANDLER);
}

static int has_kernel_killed(const struct watched *w)
{
	return w->guard->kernel_kills != w->guard->kills_at_open ||
	       switch_kills_below(w) != shared_load(&w->guard->kills_below);
}

/* The last order that was carried out brought the relief. */
static enum reason reason_of(uint32_t order)
{
	switch (order) {
	case ORDER_NONE:
		return REASON_NO_KILL_SEEN;
	case ORDER_RAISE:
		return REASON_RAISED;
	case ORDER_RECLAIM:
		return REASON_RECLAIMED;
	case ORDER_MOVE:
		return REASON_MOVED;
	case ORDER_TERMINATE:
		return REASON_TERMINATED;
	case ORDER_HOOK:
		return REASON_HOOK;
	default:
		return REASON_KILLED;
	}
}

/* Nothing is to be tried: it is not held either. */
static int is_kernels_by_order(const struct watched *w)
{
	const struct standing *st = standing_of(watcher.self.region, w->index);

	return st && st->orders[0] == ORDER_HAND_OVER;
}

static enum outcome outcome_of(const struct watched *w, uint32_t word, int unrelieved,
			       enum reason *reason)
{
	uint32_t carried_out =
		shared_load(&w->guard->seen) == word ? shared_load(&w->guard->carried_out) : 0;
	int is_ours = carried_out != ORDER_NONE;
	int is_burst, killed_by_kernel;

	*reason = incident_reason(w->guard);
	is_burst = *reason == REASON_BURST;
	if (unrelieved)
		return OUTCOME_UNRELIEVED;
	if (!(w->guard->flags & GUARD_POWERS)) {
		int is_ordered = is_kernels_by_order(w);

		*reason = is_ordered ? REASON_ORDERED : REASON_OBSERVING;
		return is_ordered ? OUTCOME_HANDED_OVER : OUTCOME_OBSERVED;
	}
	if (*reason == REASON_SWITCH_WRITTEN)
		return OUTCOME_OWNER_OVERRODE;
	if (!w->guard->delay_ms)
		*reason = REASON_DEADLINE;
	if (w->handed_over || !w->guard->delay_ms)
		return OUTCOME_HANDED_OVER;
	if (*reason == REASON_GROUP_GONE) /* with the processes in it */
		return is_ours ? OUTCOME_RELIEVED : OUTCOME_EXITED_BY_ITSELF;
	/* On v1 a kill in a group that we hold is an ancestor's OOM's. */
	killed_by_kernel =
		(!is_ours || is_burst || memcg_is_v2(&w->memcg) || memcg_is_before(&w->memcg)) &&
		has_kernel_killed(w);
	if (killed_by_kernel) {
		*reason = is_burst ? REASON_BURST : REASON_KERNEL_KILLED;
		return OUTCOME_KERNEL_FIRST;
	}
	if (w->tried_pid) {
		*reason = REASON_DESIGNATED;
		return OUTCOME_RELIEVED;
	}
	*reason = reason_of(carried_out);
	return carried_out ? OUTCOME_RELIEVED : OUTCOME_EXITED_BY_ITSELF;
}

void watch_close_incident(struct watched *w, int unrelieved)
{
	uint32_t word = shared_load(&w->guard->incident);
	struct log_record closed = { .t_ns = sys_now_ns(),
				     .guard = w->index,
				     .step = STEP_CLOSED,
				     .incident = incident_number(word),
				     .bytes = w->guard->faults };
	enum outcome outcome;
	enum reason reason;

	if (!incident_is_open(word))
		return;
	outcome = outcome_of(w, word, unrelieved, &reason);
	closed.start_time = shared_load(&w->guard->opened_ns);
	closed.arg = (uint32_t)outcome << 16 | (uint32_t)reason;
	if (!incident_close(w->guard, word))
		return; /* the other watcher has, while we were stopped */
	log_put(watcher.self.log, closed);
	shared_store(&w->guard->starving, 0);
	role_wake(FD_AGENT);
}
