/* SPDX-License-Identifier: MIT */
/*
 * Hop 4b: the owner's look at one guard: read the kernel's state, name the event, make the move,
 * write the switch.
 *
 * verdict.c says what is to be done; here it is done. Only the owner of the switch comes here, and
 * it asks once more before each write.
 */
#include "carry_out.h"
#include "handed.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "trial.h"
#include "watcher.h"

void watch_tell(const struct watched *w, enum step step, uint32_t arg, int result)
{
	uint32_t word = shared_load(&w->guard->incident);

	struct log_record told = { .guard = w->index, .step = step, .arg = arg, .result = result };
	int fills;

	told.incident = incident_is_open(word) ? incident_number(word) : 0;
	fills = log_put(watcher.self.log, told);
	/* The millisecond of CPU that the agent takes is missed near and at an OOM: switching is
	 * routine, which its slow timer is for, and the responder tells of what it has opened. */
	if (fills || (step != STEP_OPENED && step != STEP_ENGAGED && step != STEP_DISENGAGED))
		role_wake(FD_AGENT);
}

/* An open incident is the kernel's where the group is not held, or is by its owner's mark: has the watcher before us handed it
 * over? */
static int is_handed_over(struct watched *w, int held)
{
	if (held && !memcg_is_owners(&w->memcg))
		return 0;
	if (incident_reason(w->guard) == REASON_NONE && !held && watcher_owns()) {
		watch_set_reason(w, guard_is_held(w->guard->state) ? REASON_SWITCH_WRITTEN
								   : REASON_BURST);
		handed_begin(w, sys_now_ns());
	}
	return incident_is_handed_over(w->guard);
}

/* Where the guard stands, from what the kernel and the region say: at the start, and when
 * taking over. */
/* model: watcher_resumes */
void watch_resume(struct watched *w)
{
	int open = incident_is_open(shared_load(&w->guard->incident));
	uint64_t now_ns = sys_now_ns();
	struct memcg_oom oom = { 0 };

	memcg_oom(&w->memcg, &oom);
	w->is_calm = 0;
	trial_begin(w, now_ns);
	w->free_ns = oom.waiting ? 0 : now_ns;
	w->outside_ns = 0;
	w->stale_ns = 0;
	watch_forget_starvation(w, now_ns);
	if (open) {
		w->handed_over = is_handed_over(w, oom.held);
		w->state = oom.held && !w->handed_over ? GUARD_OOM : GUARD_HANDED;
	} else {
		w->state = oom.held ? GUARD_NEAR : GUARD_QUIET;
		/* Later kills are to be told of, whoever was dead meanwhile. */
		if (w->guard->state == GUARD_NONE)
			shared_store(&w->guard->kernel_kills, oom.kills);
	}
}

/* Does our own handler ask for it? It has done what it could then. */
static int is_asked_for(enum reason reason)
{
	return reason == REASON_NO_CANDIDATE || reason == REASON_NO_ORDER_LEFT ||
	       reason == REASON_ORDERED || reason == REASON_KILL_CAP || reason == REASON_HOUR_CAP ||
	       reason == REASON_HOST_CAP;
}

static void hand_over(struct watched *w, enum reason reason, uint64_t now_ns)
{
	int err;

	if (!watcher_owns())
		return;		     /* the other watcher's by now */
	watch_set_reason(w, reason); /* before: who takes over in between knows it */
	handed_begin(w, now_ns);
	err = switch_write(w, SWITCH_LET_GO);
	if (err == -EAGAIN)
		return;
	w->handed_over = 1;
	w->yielded |= memcg_is_before(&w->memcg); /* the kernel's, up to its limit */
	shared_store(&w->guard->handed_over, w->guard->handed_over + 1);
	watch_tell(w, STEP_HANDED_OVER, reason, err);
	/* There may have been too much to do as well. */
	if (!is_asked_for(reason) && (reason != REASON_BUDGET || w->tried_pid))
		watch_tell(w, STEP_HANDLER_KILLED, reason, trial_kill(w));
}

/*
 * Who writes memory.high means it, and has it for a time that doubles where he comes back. Not so who writes what was there
 * before us: systemd does at each daemon-reload, and knows nothing of us. It is held again at once, unless that comes often.
 */
static void yield(struct watched *w, uint64_t now_ns)
{
	uint64_t before = shared_load(&w->guard->high.before_bytes), high = before + 1;
	uint32_t since_ms = w->yielded_ns ? watch_ms_since(w->yielded_ns, now_ns) : UINT32_MAX;
	int is_new = since_ms > 2 * w->yield_ms && since_ms > YIELD_MIN_MS;
	uint32_t least_ms = YIELD_MIN_MS, ms = is_new ? 0 : 2 * w->yield_ms;

	w->yielded = 1;
	w->yielded_ns = now_ns;
	if (!memcg_has_mark(&w->memcg))
		return;
	memcg_read_switch(&w->memcg, &high);
	if (high == before)
		least_ms = is_new ? 0 : YIELD_AGAIN_MS;
	ms = ms < least_ms ? least_ms : ms;
	w->yield_ms = ms < YIELD_MAX_MS ? ms : YIELD_MAX_MS;
	w->yielded = ms > 0;
}

static void forget(struct watched *w)
{
	watch_set_reason(w, REASON_GROUP_GONE);
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
	case ACT_YIELD:
		watch_tell(w, STEP_DISARMED_BY_OTHER, 0, 0);
		watch_set_reason(w, REASON_SWITCH_WRITTEN);
		handed_begin(w, now_ns);
		yield(w, now_ns);
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

/* Quiet, and yet to be looked at soon. */
static int is_waiting(const struct watched *w)
{
	return w->yielded || w->is_blind || w->is_over_high || carry_out_is_owed(w);
}

/* On v2 a group is held far from its limit too, and the event will tell. */
static int is_calm(const struct watched *w)
{
	return !w->under_oom && !carry_out_is_owed(w) &&
	       (w->state == GUARD_QUIET ||
		(w->state == GUARD_NEAR && memcg_has_mark(&w->memcg) && w->is_far));
}

static int next_judgement_ms(const struct watched *w, uint64_t now_ns)
{
	uint32_t left_ms = trial_left_ms(w, now_ns);

	return left_ms && left_ms < WATCH_TICK_MS ? (int)left_ms : WATCH_TICK_MS;
}

/* Our handler has seen it less than a tick ago: there is nothing to judge yet, and where there is one CPU it and the neighbours
 * wait for the half millisecond that our look takes. */
static int is_just_seen(const struct watched *w, uint64_t now_ns)
{
	uint32_t word = shared_load(&w->guard->incident);

	return w->state == GUARD_NEAR && incident_is_open(word) && !w->followed.pid &&
	       trial_is_fit(w) && shared_load(&w->guard->seen) == word &&
	       now_ns - shared_load(&w->guard->opened_ns) < RESPOND_TICK_MS * 1000000ull;
}

static int next_look_ms(const struct watched *w, uint64_t now_ns)
{
	switch (w->state) {
	case GUARD_OOM:
		return next_judgement_ms(w, now_ns);
	case GUARD_RELIEF:
	case GUARD_HANDED:
		return WATCH_TICK_MS;
	case GUARD_ALARM:
		return ALARM_TICK_MS;
	case GUARD_NEAR:
		/* Nested OOMs swallow each other's events: ours may come without one. */
		return w->under_oom ? WATCH_TICK_MS : is_calm(w) ? -1 : (int)w->near_ms;
	case GUARD_QUIET:
		return w->under_oom ? WATCH_TICK_MS : is_waiting(w) ? NEAR_TICK_MS : -1;
	default:
		return -1;
	}
}

int watch_is_restless(const struct watched *w)
{
	return w->fired || w->under_oom || w->state == GUARD_OOM || w->state == GUARD_RELIEF ||
	       incident_is_open(shared_load(&w->guard->incident));
}

int watch_is_called(const struct watched *w)
{
	int is_open = incident_is_open(shared_load(&w->guard->incident));

	return w->attached && ((w->fired && !is_open) || w->has_come_near ||
			       w->guard->state != (uint32_t)w->state ||
			       shared_load(&w->guard->looks_asked) != w->looks_done);
}

int watch_is_due(const struct watched *w)
{
	return w->attached && (!w->is_calm || is_waiting(w) || watch_is_called(w) ||
			       watcher.restless[w->guard->tree]);
}

/* model: watcher_looks */
int watch_look(struct watched *w)
{
	enum { MOVES_MAX = 4 }; /* a look may chain: handed -> quiet -> near */
	uint64_t now_ns = sys_now_ns();
	int is_first = w->guard->state == GUARD_NONE, has_come_near = w->has_come_near;

	shared_store(&watcher.self.me->beat_ns, now_ns); /* many are long work */
	w->has_come_near = 0;
	w->looks_done = shared_load(&w->guard->looks_asked);
	if (shared_load(&w->guard->want) != WANT_ARMED || w->guard->state == GUARD_GONE ||
	    shared_load(&watcher.self.region->stop))
		return -1;
	if (is_first) {
		w->fired = 0; /* it may have been another reprieve's when we attached */
		watch_resume(w);
	}
	carry_out_limits(w, now_ns);
	if (is_just_seen(w, now_ns))
		return next_judgement_ms(w, now_ns);
	for (int i = 0; i < MOVES_MAX && watcher_owns(); i++) {
		struct look look = watch_take_look(w, now_ns);
		enum guard_state before = w->state;
		struct move move = verdict_next(before, verdict_event(before, &look));

		w->state = (enum guard_state)move.state;
		if (before == GUARD_OOM && w->state != GUARD_OOM)
			trial_pause(w, now_ns);
		if (w->state == GUARD_OOM && before == GUARD_RELIEF)
			w->tried_ns = now_ns;
		act(w, (enum act)move.act, &look, now_ns);
		if (watcher_owns())
			shared_store(&w->guard->state, (uint32_t)w->state);
		if (w->state == before)
			break;
	}
	if (has_come_near)
		role_wake(FD_HANDLER); /* its sampler looks at who is held: not before it is */
	w->is_calm = is_calm(w);
	if (w->is_calm && !w->yielded && !w->deaf_ns)
		memcg_close_counters(&w->memcg);
	if (is_first)
		role_wake(FD_AGENT); /* which tells that the guard is armed */
	return next_look_ms(w, now_ns);
}

void watch_leave(struct watched *w)
{
	struct memcg_oom oom;

	if (!memcg_oom(&w->memcg, &oom)) {
		watch_put_back(w, REASON_RELEASED);
		return;
	}
	forget(w);
	w->state = GUARD_GONE;
	shared_store(&w->guard->state, GUARD_GONE);
}

/* model: watcher_puts_back */
void watch_put_back(struct watched *w, enum reason reason)
{
	struct memcg_oom oom;
	int err = memcg_oom(&w->memcg, &oom);

	carry_out_put_back(w);
	if (!err && oom.held && w->guard->flags & GUARD_POWERS) {
		err = switch_write(w, SWITCH_LET_GO);
		w->handed_over |= oom.waiting;
		watch_set_reason(w, reason);
	}
	switch_do_chores(w);
	watch_close_incident(w, 0);
	watch_tell(w, STEP_PUT_BACK, reason, err == -ENODEV ? 0 : err);
	w->state = GUARD_NONE;
	shared_store(&w->guard->state, GUARD_NONE);
}
