/* SPDX-License-Identifier: MIT */
/*
 * Hop 4b: the owner's look at one guard: read the kernel's state, name the event, make the move,
 * write the switch.
 *
 * verdict.c says what is to be done; here it is done. Only the owner of the switch comes here, and
 * it asks once more before each write.
 */
#include "log.h"
#include "sys.h"
#include "text.h"
#include "tree.h"
#include "verdict.h"
#include "watcher.h"

static uint32_t ms_since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns && now_ns > then_ns ? (uint32_t)((now_ns - then_ns) / 1000000) : 0;
}

void watch_tell(const struct watched *w, enum step step, uint32_t arg, int result)
{
	uint32_t word = shared_load(&w->guard->incident);

	log_put(watcher.self.log,
		(struct log_record){ .guard = w->index,
				     .step = step,
				     .arg = arg,
				     .result = result,
				     .incident =
					     incident_is_open(word) ? incident_number(word) : 0 });
	/* The millisecond of CPU that the agent takes is missed near and at an OOM: switching is
	 * routine, which its slow timer is for, and the responder tells of what it has opened. */
	if (step != STEP_OPENED && step != STEP_ENGAGED && step != STEP_DISENGAGED)
		role_wake(FD_AGENT);
}

static uint64_t *threshold_limit(const struct watched *w)
{
	return &w->guard->threshold_limit[watcher.self.role];
}

int watch_attach(struct watched *w)
{
	int may_write = (w->guard->flags & GUARD_ALLOW_KILL) != 0;
	int err = memcg_open(&w->memcg, role_open_group(w->guard), may_write);

	if (err)
		return err;
	w->oom_event = sys_eventfd(0, SYS_EFD_NONBLOCK);
	w->near_event = sys_eventfd(0, SYS_EFD_NONBLOCK);
	w->pressure_event = sys_eventfd(0, SYS_EFD_NONBLOCK);
	err = w->oom_event < 0	      ? w->oom_event
	      : w->near_event < 0     ? w->near_event
	      : w->pressure_event < 0 ? w->pressure_event
				      : 0;
	if (!err)
		err = memcg_watch_oom(&w->memcg, w->oom_event);
	if (!err)
		memcg_watch_pressure(&w->memcg, w->pressure_event); /* without it: see README */
	if (err) {
		watch_detach(w);
		return err;
	}
	w->attached = 1;
	*threshold_limit(w) = 0; /* one before us may have left it */
	watch_resume(w);
	return 0;
}

void watch_detach(struct watched *w)
{
	if (w->oom_event > 0)
		sys_close(w->oom_event);
	if (w->near_event > 0)
		sys_close(w->near_event);
	if (w->pressure_event > 0)
		sys_close(w->pressure_event);
	memcg_close(&w->memcg);
	w->oom_event = w->near_event = w->pressure_event = 0;
	w->attached = 0;
}

/* What reclaim has signalled so far belongs to what is over. */
static void forget_starvation(struct watched *w, uint64_t now_ns)
{
	uint64_t count;

	sys_read(w->pressure_event, &count, sizeof(count));
	w->starved = 0;
	w->ticked_ns = now_ns;
}

/* Where the guard stands, from what the kernel and the region say: at the start, and when
 * taking over. */
void watch_resume(struct watched *w)
{
	int open = incident_is_open(shared_load(&w->guard->incident));
	uint64_t now_ns = sys_now_ns();
	struct memcg_oom oom = { 0 };

	memcg_oom(&w->memcg, &oom);
	w->fired = 0;
	w->handed_over = open && !oom.held;
	w->reason = REASON_DEADLINE;
	w->handed_ns = now_ns;
	w->free_ns = oom.waiting ? 0 : now_ns;
	w->outside_ns = 0;
	w->stale_ns = 0;
	forget_starvation(w, now_ns);
	if (open) {
		w->state = oom.held ? GUARD_OOM : GUARD_HANDED;
	} else {
		w->state = oom.held ? GUARD_NEAR : GUARD_QUIET;
		shared_store(&w->guard->kernel_kills, oom.kills);
	}
	w->kills_at_open = w->guard->kernel_kills;
}

static void hand_over(struct watched *w, enum reason reason, uint64_t now_ns)
{
	int err = switch_write(w, SWITCH_LET_GO);

	if (err == -EAGAIN)
		return; /* the other watcher's by now */
	w->handed_over = 1;
	w->handed_ns = now_ns;
	w->reason = reason;
	shared_store(&w->guard->handed_over, w->guard->handed_over + 1);
	watch_tell(w, STEP_HANDED_OVER, reason, err);
	if (reason != REASON_NO_CANDIDATE && reason != REASON_KILL_CAP && watcher.handler >= 0)
		watch_tell(w, STEP_HANDLER_KILLED, reason, sys_pidfd_kill(watcher.handler));
}

static void forget(struct watched *w)
{
	w->reason = REASON_GROUP_GONE;
	watch_close_incident(w, 0);
	watch_tell(w, STEP_GONE, 0, 0);
}

static void act(struct watched *w, enum act act, const struct look *look, uint64_t now_ns)
{
	switch (act) {
	case ACT_NOTHING:
		break;
	case ACT_HOLD:
		watch_tell(w, STEP_ENGAGED, 0, switch_write(w, SWITCH_HOLD));
		break;
	case ACT_LET_GO:
		watch_tell(w, STEP_DISENGAGED, 0, switch_write(w, SWITCH_LET_GO));
		break;
	case ACT_OPEN:
		watch_open_incident(w, look->cause, now_ns);
		break;
	case ACT_HAND_OVER:
		hand_over(w, (enum reason)look->reason, now_ns);
		break;
	case ACT_CLOSE:
		watch_close_incident(w, 0);
		break;
	case ACT_CLOSE_UNRELIEVED:
		watch_tell(w, STEP_ALARM, 0, 0);
		watch_close_incident(w, 1);
		break;
	case ACT_FORGET:
		forget(w);
		break;
	}
}

static enum reason judge(const struct watched *w, uint64_t now_ns)
{
	struct guard *g = w->guard;
	uint64_t opened_ns = 0;
	struct trial trial = {
		.dead = watcher.handler < 0,
		.seen = shared_load(&g->seen) == shared_load(&g->incident),
		.delay_ms = g->delay_ms,
	};

	/* An incident without a timer: who opened it was stopped before it set one. */
	__atomic_compare_exchange_n(&g->opened_ns, &opened_ns, now_ns, 0, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	trial.age_ms = ms_since(opened_ns, now_ns);
	trial.asks = trial.seen ? shared_load(&g->asks_hand_over) : 0;
	trial.seen |= shared_load(&g->starving) !=
		      0; /* there was no event: it hears of it through the sampler */
	return verdict_on_handler(&trial);
}

/*
 * Silent starvation: the group is held and full, nobody sleeps in its OOM, but calls fail. It is told from a
 * group that is merely full by reclaim failing, tick after tick, with no file memory left to take.
 */
static void look_for_starvation(struct watched *w, int full, uint64_t now_ns)
{
	uint64_t count, reclaimable;
	int fails;

	if (ms_since(w->ticked_ns, now_ns) < NEAR_TICK_MS)
		return;
	w->ticked_ns = now_ns;
	fails = sys_read(w->pressure_event, &count, sizeof(count)) == sizeof(count);
	if (full && fails && !memcg_reclaimable(&w->memcg, &reclaimable) &&
	    reclaimable < STARVED_RECLAIMABLE_BYTES)
		w->starved++;
	else
		w->starved = 0;
	shared_store(&w->guard->starving, w->starved >= STARVED_LOOKS);
}

/* The times for which the group has been free of an OOM, and outside its margin. */
static void time_look(struct watched *w, struct look *look, uint64_t left_bytes, uint64_t now_ns)
{
	if (look->in_oom)
		w->free_ns = 0;
	else if (!w->free_ns)
		w->free_ns = now_ns;
	if (left_bytes <= memcg_far_bytes(w->guard->margin_bytes))
		w->outside_ns = 0;
	else if (!w->outside_ns)
		w->outside_ns = now_ns;
	look->free_ms = ms_since(w->free_ns, now_ns);
	look->outside_ms = ms_since(w->outside_ns, now_ns);
	look->handed_ms = ms_since(w->handed_ns, now_ns);
}

/* The switch is off and no state of ours wants it so: a write of a watcher that was stopped came late. */
static void mend_switch(struct watched *w, struct memcg_oom *oom)
{
	int is_kernels =
		w->state == GUARD_QUIET || w->state == GUARD_HANDED || w->state == GUARD_ALARM;

	if (oom->held && is_kernels && w->guard->flags & GUARD_ALLOW_KILL)
		oom->held = switch_write(w, SWITCH_LET_GO) != 0;
}

/* Who sleeps in a near group that has room was not woken. Asleep so long, not just about to run. */
static void wake_the_stale(struct watched *w, const struct memcg_oom *oom, int full,
			   uint64_t now_ns)
{
	int err;

	if (w->state != GUARD_NEAR || !oom->held || !oom->waiting || full)
		w->stale_ns = 0;
	else if (!w->stale_ns)
		w->stale_ns = now_ns;
	if (!w->stale_ns || ms_since(w->stale_ns, now_ns) < RELIEF_HOLD_MS)
		return;
	err = switch_write(w, SWITCH_WAKE);
	if (err != -EAGAIN)
		watch_tell(w, STEP_WOKE, 0, err);
	w->stale_ns = now_ns;
}

/* Reads the kernel's state. */
static struct look take_look(struct watched *w, uint64_t now_ns)
{
	struct look look = { .cause = CAUSE_OOM };
	struct memcg_oom oom;
	struct memcg_room room;
	uint64_t left;
	int fired = w->fired, full, starving;

	w->fired = 0;
	if (memcg_oom(&w->memcg, &oom) || memcg_room(&w->memcg, &room)) {
		look.gone = 1;
		return look;
	}
	mend_switch(w, &oom);
	left = memcg_left_bytes(&room);
	full = memcg_is_full(&room);
	wake_the_stale(w, &oom, full, now_ns);
	if (w->state == GUARD_NEAR)
		look_for_starvation(w, full, now_ns);
	else if (!full)
		shared_store(&w->guard->starving, 0);
	starving = oom.held && full && shared_load(&w->guard->starving);
	/* With the kernel's killer on, the event is all there is to see: it may be over already. */
	look.in_oom = memcg_in_oom(&oom, &room) || (fired && !oom.held && full) || starving;
	look.kernel_killed = oom.kills != w->guard->kernel_kills;
	if (!look.in_oom && look.kernel_killed)
		look.cause = CAUSE_KERNEL_KILL;
	else if (starving && !oom.waiting)
		look.cause = CAUSE_STARVING;
	look.unsettled = full || shared_load(&w->guard->dying);
	look.incident_open = incident_is_open(shared_load(&w->guard->incident));
	look.fit = watcher.handler >= 0 && shared_load(&w->guard->attached[ROLE_HANDLER]) == 1;
	look.inside_margin = (left <= w->guard->margin_bytes || !*threshold_limit(w)) &&
			     (w->guard->flags & GUARD_ALLOW_KILL) &&
			     shared_load(&w->guard->want) == WANT_ARMED;
	if (w->state == GUARD_OOM)
		look.reason = judge(w, now_ns);
	time_look(w, &look, left, now_ns);
	w->under_oom = oom.under_oom;
	if (w->state == GUARD_QUIET ||
	    w->state == GUARD_NEAR) /* an incident may open with this look */
		w->kills_at_open = w->guard->kernel_kills;
	shared_store(&w->guard->kernel_kills, oom.kills);
	return look;
}

/*
 * After arming, and when the group's owner has changed its limit. Until it stands the group counts as inside the
 * margin. An older threshold stays until the guard is released: one event too many is harmless.
 */
int watch_wants_threshold(const struct watched *w)
{
	return w->attached && w->guard->state != GUARD_GONE &&
	       shared_load(&w->guard->want) == WANT_ARMED &&
	       *threshold_limit(w) != shared_load(&w->guard->limit_bytes);
}

void watch_set_threshold(struct watched *w)
{
	uint64_t limit_bytes = shared_load(&w->guard->limit_bytes);
	struct memcg_room room;

	if (!memcg_room(&w->memcg, &room) &&
	    !memcg_watch_left(&w->memcg, &room, w->guard->margin_bytes, w->near_event))
		shared_store(threshold_limit(w), limit_bytes);
}

static int next_look_ms(const struct watched *w)
{
	switch (w->state) {
	case GUARD_OOM:
	case GUARD_RELIEF:
	case GUARD_HANDED:
		return WATCH_TICK_MS;
	case GUARD_ALARM:
		return ALARM_TICK_MS;
	case GUARD_NEAR:
		/* Nested OOMs swallow each other's events: ours may come without one. */
		return w->under_oom ? WATCH_TICK_MS : NEAR_TICK_MS;
	case GUARD_QUIET:
		return w->under_oom ? WATCH_TICK_MS : -1;
	default:
		return -1;
	}
}

int watch_look(struct watched *w)
{
	enum { MOVES_MAX = 4 }; /* a look may chain: handed -> quiet -> near */
	uint64_t now_ns = sys_now_ns();
	int is_first = w->guard->state == GUARD_NONE;

	if (shared_load(&w->guard->want) != WANT_ARMED || w->guard->state == GUARD_GONE)
		return -1;
	for (int i = 0; i < MOVES_MAX && watcher_owns(); i++) {
		struct look look = take_look(w, now_ns);
		enum guard_state before = w->state;
		struct move move = verdict_next(before, verdict_event(before, &look));

		w->state = (enum guard_state)move.state;
		act(w, (enum act)move.act, &look, now_ns);
		if (watcher_owns())
			shared_store(&w->guard->state, (uint32_t)w->state);
		if (w->state == before)
			break;
	}
	if (is_first)
		role_wake(FD_AGENT); /* which tells that the guard is armed */
	return next_look_ms(w);
}

void watch_put_back(struct watched *w, enum reason reason)
{
	struct memcg_oom oom;
	int err = memcg_oom(&w->memcg, &oom);

	if (!err && oom.held && w->guard->flags & GUARD_ALLOW_KILL) {
		err = switch_write(w, SWITCH_LET_GO);
		w->handed_over |= oom.waiting;
		w->reason = reason;
	}
	switch_do_chores(w);
	watch_close_incident(w, 0);
	watch_tell(w, STEP_PUT_BACK, reason, err == -ENODEV ? 0 : err);
	w->state = GUARD_NONE;
	shared_store(&w->guard->state, GUARD_NONE);
}
