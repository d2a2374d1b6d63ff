/* SPDX-License-Identifier: MIT */
/*
 * Hop 2a: the sampler looks while there is memory, so that the responder need not: slowly far from
 * the limit, fast near it, and at once when the group comes near.
 */
#include "births.h"
#include "errand.h"
#include "handler.h"
#include "log.h"
#include "sys.h"

/* An attach that failed is tried again once a second: a lack of descriptors or memory may pass. */
static int is_due(const struct guarded *g) { return g->due_ms <= sys_now_ns() / 1000000; }

/* Follows what the agent wants of each guard. */
static void follow_wants(void)
{
	for (uint32_t i = 0; i < handler_guards(); i++) {
		struct guarded *g = &handler.guarded[i];
		uint32_t want = shared_load(&g->guard->want);
		int32_t *attached = &g->guard->attached[ROLE_HANDLER];

		if (want == WANT_GIVEN_UP && *attached && guarded_let_go(g)) {
			shared_store(attached, 0);
			role_wake_watchers();
			role_wake(FD_AGENT);
		}
		if ((want == WANT_ATTACHED || want == WANT_ARMED) && *attached != ATTACHED &&
		    is_due(g) && shared_load(&g->guard->state) != GUARD_GONE &&
		    role_may_attach(g->guard, ROLE_HANDLER)) {
			int err = guarded_attach(g);

			g->due_ms = sys_now_ns() / 1000000 +
				    (err ? ATTACH_AGAIN_MS : g->guard->sample_near_ms);
			shared_store(attached, err ? err : 1);
			role_wake(FD_AGENT);
			role_ask_for_look(g->guard); /* it is fit now */
		}
	}
}

/* A held group that has just come inside its margin. */
static int has_come_near(struct guarded *g)
{
	uint32_t state = shared_load(&g->guard->state);
	int was_inside = g->is_inside;

	g->is_inside = guard_is_held(state) && scan_is_inside(g);
	return g->is_inside && !was_inside;
}

/* What the responder and the watchers have asked us for. */
static void do_errands(struct guarded *g)
{
	uint32_t word = shared_load(&g->guard->incident);

	if (errand_do(g->guard, g->memcg.dir))
		role_wake(FD_RESPONDER);
	if (incident_is_open(word) && shared_load(&g->guard->seen) != word)
		handler_poke(g); /* opened without an event: the group starves */
}

/* A watcher hears when a group of v1 comes near that is to be held then, and wakes us. */
static int is_told_of(const struct guarded *g)
{
	return shared_load(&g->guard->state) == GUARD_QUIET && !memcg_is_v2(&g->memcg) &&
	       g->guard->flags & GUARD_POWERS && g->guard->delay_ms;
}

/*
 * Of many guards those in which nothing happens take turns: where memory has not changed, the ranking is what it was. All that
 * comes late by that is another limit, and on v1 a switch that somebody else has written. To ask whether it has changed takes turns
 * too, until it has.
 */
static int is_passed_over(struct guarded *g)
{
	uint32_t guards = handler_guards(), turn = ++g->looks + g->index;
	uint64_t bytes, then = g->guard->usage_bytes;

	if (g->is_inside || !g->scanned_ms || births_were_lost(g) ||
	    turn % (guards / QUIET_SCANS + 1) == 0) {
		g->is_quiet = 0;
		return 0;
	}
	if (g->is_quiet && is_told_of(g) && turn % (guards / QUIET_READS + 1))
		return 1;
	g->is_quiet = !memcg_usage(&g->memcg, &bytes) &&
		      (bytes > then ? bytes - then : then - bytes) < STOCK_BYTES;
	return g->is_quiet;
}

/* Scans who is due; when a watcher has woken us, also who has come near. */
static void scan_due(uint64_t now_ms, int woken)
{
	for (uint32_t i = 0; i < handler_guards(); i++) {
		struct guarded *g = &handler.guarded[i];
		if (!shared_load(&g->active))
			continue;
		do_errands(g);
		if (handler.designated_event >= 0)
			handle_turn(g);
		if (!(woken && has_come_near(g)) && g->due_ms > now_ms)
			continue;
		g->due_ms = now_ms + g->guard->sample_far_ms;
		if (is_passed_over(g))
			continue;
		g->is_inside = scan_guard(g);
		g->looked_ms = now_ms;
		inside_look(g, now_ms);
		if (g->is_inside)
			g->due_ms = now_ms + g->guard->sample_near_ms;
	}
}

/* Nobody is left to guard for: the agent asked us to stop, or it and all guards are gone. */
static int is_over(void)
{
	const struct region *r = handler.self.region;

	if (shared_load(&r->stop))
		return 1;
	if (!sys_pidfd_dead(handler.self.agent))
		return 0;
	for (uint32_t i = 0; i < handler_guards(); i++)
		if (!guard_is_over(&r->guards[i]))
			return 0;
	return 1;
}

static int timeout_ms(uint64_t now_ms)
{
	uint64_t due = now_ms + SAMPLER_TICK_MS;

	for (uint32_t i = 0; i < handler_guards(); i++)
		if (shared_load(&handler.guarded[i].active) && handler.guarded[i].due_ms < due)
			due = handler.guarded[i].due_ms;
	if (births_due_ms() < due)
		due = births_due_ms();
	return due > now_ms ? (int)(due - now_ms) : 0;
}

/* Until something is due, or somebody has woken us: says whether it was the watchers or the agent. */
static int wait_for_work(uint64_t now_ms)
{
	struct sys_pollfd fds[] = { { FD_CONTROL, SYS_POLLIN, 0 },
				    { births_fd(now_ms), SYS_POLLIN, 0 } };
	uint64_t count;

	sys_poll(fds, 2, timeout_ms(now_ms));
	if (fds[0].revents)
		sys_read(FD_CONTROL, &count, sizeof(count));
	births_turn(sys_now_ns() / 1000000, fds[1].revents);
	return fds[0].revents != 0;
}

_Noreturn void sampler_loop(void)
{
	inside_begin();
	follow_wants();
	while (!is_over()) {
		int woken = wait_for_work(sys_now_ns() / 1000000);

		follow_wants();
		scan_due(sys_now_ns() / 1000000, woken);
		if (!handler.self.me->settled && role_is_armed(&handler.self))
			role_settle(&handler.self); /* the responder goes on meanwhile */
	}
	if (handler.designated_event >= 0)
		handle_end();
	role_end(&handler.self, 0);
}
