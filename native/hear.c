/* SPDX-License-Identifier: MIT */
/* Hop 3: whose events have come. Those of cgroup v2 come all day where files go through a group: then not each wakes us. */
#include "handler.h"
#include "log.h"
#include "sys.h"

static int is_any_deaf;

int hear_is_ours(struct guarded *g)
{
	return shared_load(&g->active) && shared_load(&g->guard->want) == WANT_ARMED;
}

static void be_fired(struct guarded *g)
{
	g->response.fired = hear_is_ours(g);
	g->deaf_ns = memcg_is_v2(&g->memcg) ? sys_now_ns() + RESPOND_TICK_MS * 1000000ull : 0;
	is_any_deaf |= g->deaf_ns != 0;
}

/* That of a group that is gone would come for ever. */
void hear_late(void)
{
	uint64_t now_ns = sys_now_ns();

	for (uint32_t i = 0; i < handler_guards() && is_any_deaf; i++) {
		struct guarded *g = &handler.guarded[i];

		if (!g->deaf_ns || now_ns < g->deaf_ns)
			continue;
		g->deaf_ns = 0;
		if (shared_load(&g->guard->state) != GUARD_GONE &&
		    memcg_hear(&g->memcg, g->oom_event, handler.respond_epoll, i))
			be_fired(g);
	}
}

int hear_next_ms(void)
{
	uint64_t now_ns = sys_now_ns(), next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < handler_guards() && is_any_deaf; i++)
		if (handler.guarded[i].deaf_ns && handler.guarded[i].deaf_ns < next_ns)
			next_ns = handler.guarded[i].deaf_ns;
	is_any_deaf = next_ns != UINT64_MAX;
	if (!is_any_deaf)
		return -1;
	return next_ns > now_ns ? 1 + (int)((next_ns - now_ns) / 1000000) : 0;
}

/* A watcher has opened an incident, and no event says so. */
static int is_unseen(const struct guarded *g)
{
	uint32_t word = shared_load(&g->guard->incident);

	return incident_is_open(word) && shared_load(&g->guard->seen) != word;
}

void hear_event(uint32_t index)
{
	struct guarded *g = &handler.guarded[index];
	uint64_t count;

	if (index != HANDLER_POKE) {
		memcg_take_event(&g->memcg, g->oom_event);
		be_fired(g);
		return;
	}
	sys_read(FD_RESPONDER, &count, sizeof(count));
	for (uint32_t i = 0; i < handler_guards(); i++) {
		g = &handler.guarded[i];
		if (__atomic_exchange_n(&g->poked, 0, __ATOMIC_ACQ_REL) || is_unseen(g))
			g->response.fired = hear_is_ours(g);
	}
}
