/* SPDX-License-Identifier: MIT */
/*
 * Hop 3: the responder. Event -> what is there -> next order -> act -> look again.
 *
 * One blocking call. From the event on it opens nothing, allocates nothing, faults no page; a
 * sleeping or full group cannot hold it up, whether it lives outside or inside. While an incident
 * is open it looks every RESPOND_TICK_MS.
 */
#include "handler.h"
#include "log.h"
#include "oom_group.h"
#include "step.h"
#include "sys.h"
#include "text.h"

/* When the first step was logged that the agent does not know of; 0: none. It is woken when the incident is over, or soon: its
 * milliseconds of CPU are better spent on freeing memory, and then by those who had to wait for that. */
static uint64_t told_ns;

void respond_tell(const struct guarded *g, enum step step, struct log_record r)
{
	r.guard = g->index;
	r.incident = incident_number(g->response.word);
	r.step = step;
	log_put(handler.self.log, r);
	if (!told_ns)
		told_ns = sys_now_ns();
}

/* v2: a charge may jump past memory.high, to where the kernel kills before we look. */
static uint32_t kills_before(const struct guarded *g)
{
	return memcg_is_v2(&g->memcg) ? shared_load(&g->guard->kills_at_open) : g->oom.kills;
}

/* Joins the open incident, or opens one. */
/* model: handler_opens */
static void begin(struct guarded *g, uint64_t now_ns)
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
					 .victim_pidfd = -1 };
	shared_store(&g->guard->kills, 0);
	shared_store(&g->guard->faults, 0);
	shared_store(&g->guard->dying, 0);
	shared_store(&g->guard->carried_out, ORDER_NONE);
	shared_store(&g->guard->asks_hand_over, REASON_NONE);
	shared_store(&g->guard->seen, word);
	if (opened) {
		respond_tell(g, STEP_OPENED,
			     (struct log_record){ .t_ns = now_ns, .arg = CAUSE_OOM });
		role_wake_watchers(); /* it may have looked a moment before */
	}
	respond_tell(g, STEP_SEEN,
		     (struct log_record){ .t_ns = now_ns, .bytes = g->room.usage_bytes });
}

/* The incident is over, whatever has become of the victim. */
static void end(struct guarded *g)
{
	g->response.word = 0;
	g->response.victim = VICTIM_NONE;
	shared_store(&g->guard->dying, 0);
	__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
}

static void give_up(struct guarded *g, enum reason reason)
{
	if (shared_load(&g->guard->asks_hand_over))
		return;
	shared_store(&g->guard->asks_hand_over, reason);
	respond_tell(g, STEP_GAVE_UP, (struct log_record){ .arg = reason });
	role_wake_watchers();
}

/* A virtual machine may stand still for longer than a victim is given: that is no time in which it could have died. */
static void forgive_absence(struct response *r, uint64_t now_ns)
{
	uint64_t away_ns = r->looked_ns ? now_ns - r->looked_ns : 0;

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
		.held = g->oom.held,
		.powers = g->guard->flags & GUARD_POWERS,
		.order = step_order(g),
		.is_last = step_is_last(g),
		.is_begun = r->asked != 0,
		.is_over = r->is_over,
		.waited_ms = r->step_ns ? respond_ms_since(r->step_ns, now_ns) / patience : 0,
		.victim = r->victim,
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

/* Is this incident a designated handler's? To its end, whatever becomes of him: the watchers judge. */
static int is_left(struct guarded *g, uint32_t word)
{
	struct response *r = &g->response;
	int is_designated = shared_load(&g->guard->designated.pid) != 0;

	if (incident_is_open(r->word))
		return 0; /* ours, since before he was designated */
	if (is_designated)
		r->left_word = word | 1; /* the open one, or the next */
	return is_designated || (incident_is_open(word) && word == r->left_word);
}

/* One look at one guard. Says whether to look again at the next tick. */
static int respond(struct guarded *g)
{
	struct response *r = &g->response;
	uint32_t word = shared_load(&g->guard->incident);
	uint64_t now_ns = sys_now_ns();
	uint64_t faults;
	int fired = r->fired;

	r->fired = 0;
	if (r->word != word)
		end(g); /* closed by the watcher */
	if (is_left(g, word)) {
		if (g->deaf_ns)
			g->deaf_ns = now_ns + NEAR_TICK_MS * 1000000ull;
		return 0;
	}
	if (memcg_oom(&g->memcg, &g->oom) || memcg_room(&g->memcg, &g->room)) {
		end(g); /* removed: the watchers tell */
		return 0;
	}
	if (!fired && !g->oom.under_oom && !incident_is_open(r->word))
		return 0;
	if (!incident_is_open(r->word) && !incident_is_open(word)) {
		/* An ancestor's; one of ours behind it would come without an event. */
		if (g->oom.under_oom && !memcg_in_oom(&g->oom, &g->room))
			return 1;
		if (g->deaf_ns)
			g->deaf_ns = now_ns + memcg_deaf_ms(&g->oom) * 1000000ull;
		/* With the kernel's killer on, the event is all there is to see: it may be over. */
		if (!g->oom.under_oom && (g->oom.held || !memcg_is_full(&g->room)))
			return 0;
		if (memcg_is_v2(&g->memcg) && !g->oom.held)
			return 0; /* the kernel's own: the watchers see its kill */
	}
	if (!incident_is_open(r->word))
		begin(g, now_ns);
	faults = sys_faults_of_thread();
	__atomic_store_n(&g->busy, 1, __ATOMIC_SEQ_CST);
	look(g, now_ns);
	act_on_orders(g, now_ns);
	shared_store(&g->guard->dying, r->victim == VICTIM_DYING);
	if (r->victim != VICTIM_DYING && !r->whole)
		__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
	faults = sys_faults_of_thread() - faults;
	shared_store(&g->guard->faults, g->guard->faults + (uint32_t)faults);
	return 1;
}

/* Nested OOMs swallow each other's events: one of a guard means a look at each of its tree. */
static void find_restless(void)
{
	memset(handler.restless, 0, handler.guards);
	for (uint32_t i = 0; i < handler.guards; i++) {
		const struct guarded *g = &handler.guarded[i];

		handler.restless[g->guard->tree] |=
			g->response.fired || g->oom.under_oom || incident_is_open(g->response.word);
	}
}

static void wake_agent(int open)
{
	if (!told_ns || (open && respond_ms_since(told_ns, sys_now_ns()) < AGENT_WAKE_MS))
		return;
	role_wake(FD_AGENT);
	told_ns = 0;
}

_Noreturn void responder_loop(void)
{
	struct sys_epoll_event events[16];
	int open = 0;

	for (;;) {
		int n = sys_epoll_wait(handler.respond_epoll, events, 16,
				       open ? RESPOND_TICK_MS : hear_next_ms());

		shared_store(&handler.self.me->beat_ns, sys_now_ns());
		for (int i = 0; i < n; i++) {
			hear_event((uint32_t)events[i].data);
		}
		hear_late();
		open = 0;
		find_restless();
		for (uint32_t i = 0; i < handler.guards; i++) {
			struct guarded *g = &handler.guarded[i];

			if (!handler.restless[g->guard->tree] || !hear_is_ours(g))
				continue;
			open |= respond(g);
		}
		wake_agent(open);
	}
}
