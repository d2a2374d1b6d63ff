/* SPDX-License-Identifier: MIT */
/*
 * Hop 3: one incident, as the responder works on it: what is there -> next order -> act -> look again.
 *
 * Like responder.c, which comes here each tick, it opens nothing, allocates nothing, faults no page.
 */
#include "handler.h"
#include "log.h"
#include "oom_group.h"
#include "step.h"
#include "sys.h"

/* v2: a charge may jump past memory.high, to where the kernel kills before we look. */
static uint32_t kills_before(const struct guarded *g)
{
	return memcg_is_v2(&g->memcg) ? shared_load(&g->guard->kills_at_open) : g->oom.kills;
}

/* model: handler_opens */
void response_begin(struct guarded *g, uint64_t now_ns)
{
	enum { SCANS = 2 }; /* the one under way may have listed it already */
	const struct response before = g->response;
	int opened, is_seen = shared_load(&g->scans) >= before.moved_scan + SCANS;
	uint32_t word = incident_open(g->guard, now_ns, &opened);

	g->response = (struct response){ .word = word,
					 .moved_pid = is_seen ? 0 : before.moved_pid,
					 .moved_scan = before.moved_scan,
					 .begun_ns = now_ns,
					 .progress_ns = now_ns,
					 .last_kills = kills_before(g),
					 .gives_up = REASON_ORDERED,
					 .victim_pidfd = -1 };
	shared_store(&g->guard->kills, 0);
	shared_store(&g->guard->faults, 0);
	shared_store(&g->guard->dying, 0);
	shared_store(&g->guard->carried_out, ORDER_NONE);
	shared_store(&g->guard->asks_hand_over, REASON_NONE);
	shared_store(&g->guard->seen, word);
	if (opened) {
		respond_tell(g, STEP_OPENED,
			     (struct log_record){ .t_ns = now_ns,
						  .arg = memcg_is_before(&g->memcg) ? CAUSE_NEAR
										    : CAUSE_OOM });
		role_ask_for_look(g->guard); /* it may have looked a moment before */
	}
	respond_tell(g, STEP_SEEN,
		     (struct log_record){ .t_ns = now_ns, .bytes = g->room.usage_bytes });
}

void response_end(struct guarded *g)
{
	g->response.word = 0;
	g->response.victim = VICTIM_NONE;
	g->response.victim_pidfd = -1;
	reaper_let_go(g->index);
	shared_store(&g->guard->dying, 0);
	__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
}

static void give_up(struct guarded *g, enum reason reason)
{
	if (shared_load(&g->guard->asks_hand_over))
		return;
	shared_store(&g->guard->asks_hand_over, reason);
	respond_tell(g, STEP_GAVE_UP, (struct log_record){ .arg = reason });
	role_ask_for_look(g->guard);
}

/* A virtual machine may stand still for longer than a victim is given: that is no time in which it could have died. */
static void forgive_absence(struct response *r, uint64_t now_ns)
{
	uint64_t rested_ns = handler.rest.until_ns;
	uint64_t then_ns = r->looked_ns > rested_ns ? r->looked_ns : rested_ns;
	uint64_t away_ns = r->looked_ns && now_ns > then_ns ? now_ns - then_ns : 0;

	r->looked_ns = now_ns;
	if (away_ns < AWAY_MS * 1000000ull)
		return;
	r->progress_ns += away_ns;
	if (r->progress_ns > now_ns)
		r->progress_ns = now_ns;
}

static void look(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;

	forgive_absence(r, now_ns);

	if (g->oom.kills != r->last_kills) {
		r->last_kills = g->oom.kills;
		r->killed_by_kernel = 1;
		r->progress_ns = now_ns;
	}
	victim_look_after(g, now_ns);
	if (r->whole)
		oom_group_kill(g);
	step_look(g, now_ns);
}

static struct sight sight_of(const struct guarded *g, uint64_t now_ns)
{
	const struct response *r = &g->response;
	int full = memcg_is_full(&g->room);
	uint32_t patience = memcg_patience(&g->memcg);

	return (struct sight){
		.in_oom = memcg_in_oom(&g->oom, &g->room) ||
			  (g->oom.held && !r->has_relieved && shared_load(&g->guard->starving) &&
			   memcg_is_cramped(&g->memcg, &g->oom, &g->room)),
		.full = full,
		/* The owner's memory.high stays after a hand-over. */
		.held = g->oom.held && !incident_is_handed_over(g->guard),
		.powers = g->guard->flags & GUARD_POWERS,
		.order = step_order(g),
		.is_last = step_is_last(g),
		.is_begun = r->asked != 0,
		.is_over = r->is_over,
		.waited_ms = r->step_ns ? respond_ms_since(r->step_ns, now_ns) : 0,
		.bound_ms = step_bound_ms(g),
		.victim = r->victim,
		.grace_ms = step_grace_ms(g),
		.is_capped = step_cap(g, now_ns) != REASON_NONE,
		.idle_ms = respond_ms_since(r->progress_ns, now_ns) / patience,
		.killed_by_kernel = r->killed_by_kernel,
	};
}

static void relieved(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;

	if (r->victim == VICTIM_DYING)
		r->progress_ns =
			now_ns; /* it gives memory back: 2 GB take 60 ms and more (measured) */
	if ((r->victim != VICTIM_NONE || shared_load(&g->guard->carried_out)) && !r->has_relieved)
		respond_tell(g, STEP_RELIEF, (struct log_record){ .bytes = g->room.usage_bytes });
	r->has_relieved = 1;
}

/* Says whether another order is the current one. */
static int act(struct guarded *g, enum next next, uint64_t now_ns)
{
	switch (next) {
	case NEXT_WAIT:
		return 0;
	case NEXT_BEGIN:
		step_begin(g, now_ns);
		return g->response.is_over;
	case NEXT_OBSERVE:
		if (!step_observe(g))
			return 0;
		step_leave(g, now_ns);
		return 1;
	case NEXT_ORDER:
		step_leave(g, now_ns);
		return 1;
	case NEXT_RELIEVED:
		relieved(g, now_ns);
		return 0;
	case NEXT_GIVE_UP:
		give_up(g, (enum reason)g->response.gives_up);
		return 0;
	}
	return 0;
}

static void act_on_orders(struct guarded *g, uint64_t now_ns)
{
	enum { TURNS_MAX = 2 * ORDERS_MAX + 1 }; /* each may fail at once, and be left */
	int again = 1;

	for (int i = 0; i < TURNS_MAX && again; i++) {
		struct sight sight = sight_of(g, now_ns);

		again = act(g, orders_next(&sight), now_ns);
	}
}

static enum dying dying_of(const struct response *r)
{
	return r->victim == VICTIM_DYING   ? DYING_KILLED
	       : r->victim == VICTIM_ASKED ? DYING_ASKED
					   : DYING_NONE;
}

void response_go_on(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	uint64_t faults = sys_faults_of_thread();

	__atomic_store_n(&g->busy, 1, __ATOMIC_SEQ_CST);
	look(g, now_ns);
	act_on_orders(g, now_ns);
	shared_store(&g->guard->dying, dying_of(r));
	if (!dying_of(r) && !r->whole)
		__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
	faults = sys_faults_of_thread() - faults;
	shared_store(&g->guard->faults, g->guard->faults + (uint32_t)faults);
}
