/* SPDX-License-Identifier: MIT */
/*
 * Hop 3: the responder. Event -> is it an incident of ours -> response.c, each tick until it is over.
 *
 * One blocking call. From the event on it opens nothing, allocates nothing, faults no page; a
 * sleeping or full group cannot hold it up, whether it lives outside or inside. While an incident
 * is open it looks every RESPOND_TICK_MS.
 */
#include "handler.h"
#include "log.h"
#include "sys.h"
#include "text.h"

/* When the first step was logged that the agent does not know of; 0: none. It is woken when the incident is over, or soon: its
 * milliseconds of CPU are better spent on freeing memory, and then by those who had to wait for that. */
static uint64_t told_ns;
/* The agent, last. */
static uint64_t woken_ns;

void respond_tell(const struct guarded *g, enum step step, struct log_record r)
{
	r.guard = g->index;
	r.incident = incident_number(g->response.word);
	r.step = step;
	if (log_put(handler.self.log, r))
		role_wake(FD_AGENT);
	if (!told_ns)
		told_ns = sys_now_ns();
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
	int fired = r->fired;

	r->fired = 0;
	if (r->word != word)
		response_end(g); /* closed by the watcher */
	if (is_left(g, word)) {
		if (g->deaf_ns)
			g->deaf_ns = now_ns + NEAR_TICK_MS * 1000000ull;
		return 0;
	}
	if (memcg_oom(&g->memcg, &g->oom) || memcg_room(&g->memcg, &g->room)) {
		response_end(g); /* removed: the watchers tell */
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
		response_begin(g, now_ns);
	response_go_on(g, now_ns);
	return 1;
}

/* Nested OOMs swallow each other's events: one of a guard means a look at each of its tree. */
static void find_restless(void)
{
	memset(handler.restless, 0, handler_guards());
	for (uint32_t i = 0; i < handler_guards(); i++) {
		const struct guarded *g = &handler.guarded[i];

		guard_fetch(handler.self.region, i, g, sizeof(*g));
		handler.restless[g->guard->tree] |= g->is_looked_at || g->response.fired ||
						    g->oom.under_oom ||
						    incident_is_open(g->response.word);
	}
}

/* Behind the victim's death, for till then the CPU is for those who have to wait; soon, and not again and again, where somebody looks
 * on. */
static void wake_agent(int open)
{
	uint64_t now_ns = sys_now_ns();
	int is_soon = shared_load(&handler.self.region->is_watched) &&
		      respond_ms_since(woken_ns, now_ns) >= AGENT_WAKE_MS;
	uint32_t wait_ms = is_soon ? AGENT_SOON_MS : AGENT_WAKE_MS;

	if (!told_ns || (open && respond_ms_since(told_ns, now_ns) < wait_ms))
		return;
	role_wake(FD_AGENT);
	told_ns = 0;
	woken_ns = now_ns;
}

/* That of an open incident is no news. */
static int has_news(const struct guarded *g)
{
	return g->response.fired && !incident_is_open(g->response.word);
}

/* Who has an event of its own comes before the many are gone through. Says whether to look again at the next tick. */
static int look_at_news(const struct sys_epoll_event *events, int n)
{
	int open = 0;

	for (int i = 0; i < n; i++) {
		uint32_t index = (uint32_t)events[i].data;
		struct guarded *g = &handler.guarded[index];

		if (index == HANDLER_POKE || !has_news(g))
			continue;
		g->is_looked_at = 1;
		open |= respond(g);
	}
	return open;
}

/* Looks at who else may have something to see. Says whether to look again at the next tick. */
static int look_around(int was_open)
{
	uint64_t begun_ns = sys_now_ns();
	int rests = rest_lasts(&handler.rest, begun_ns), open = rests && was_open;

	find_restless();
	for (uint32_t i = 0; i < handler_guards(); i++) {
		struct guarded *g = &handler.guarded[i];

		if (!g->is_looked_at && handler.restless[g->guard->tree] && hear_is_ours(g) &&
		    (!rests || has_news(g)))
			open |= respond(g);
		g->is_looked_at = 0;
	}
	if (!rests)
		rest_begin(&handler.rest, begun_ns, sys_now_ns(), RESPOND_TICK_MS);
	return open;
}

/* The next timeout, while an incident is open. */
static int next_tick_ms(void)
{
	uint64_t now_ns = sys_now_ns();
	int hear_ms = hear_next_ms(), rest_ms;

	if (!rest_lasts(&handler.rest, now_ns))
		return RESPOND_TICK_MS;
	rest_ms = 1 + (int)((handler.rest.until_ns - now_ns) / 1000000);
	return hear_ms >= 0 && hear_ms < rest_ms ? hear_ms : rest_ms;
}

_Noreturn void responder_loop(void)
{
	struct sys_epoll_event events[16];
	int open = 0, news;

	for (;;) {
		int n = sys_epoll_wait(handler.respond_epoll, events, 16,
				       open ? next_tick_ms() : hear_next_ms());

		shared_store(&handler.self.me->beat_ns, sys_now_ns());
		for (int i = 0; i < n; i++) {
			hear_event((uint32_t)events[i].data);
		}
		news = look_at_news(events, n);
		hear_late();
		open = look_around(open) | news;
		wake_agent(open);
	}
}
