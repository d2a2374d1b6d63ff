/* SPDX-License-Identifier: MIT */
/* Hop 2a: the sampler opens a guard for both threads of the handler, and closes it. */
#include "handler.h"
#include "log.h"
#include "scan.h"
#include "sys.h"
#include "text.h"

enum { LET_GO_BOUND_MS = 20 };

/* Opens everything of a guard. The first scan primes it before it is announced. */
int guarded_attach(struct guarded *g)
{
	struct sys_epoll_event ev = { .data = g->index };
	struct memcg_oom oom;
	int is_designated = handler.designated_event >= 0; /* another's guard */
	int err = memcg_open(&g->memcg, role_open_group(g->guard), 0,
			     is_designated ? NULL : &g->guard->high);

	if (err)
		return err;
	if (g->guard->flags & GUARD_BEFORE && !is_designated)
		memcg_act_before(&g->memcg, &g->guard->margin_bytes, &g->guard->before_held);
	g->oom_event = is_designated ? handler.designated_event : memcg_watch_oom(&g->memcg);
	ev.events = memcg_event_mask(&g->memcg);
	err = g->oom_event < 0 ? g->oom_event : memcg_open_counters(&g->memcg);
	if (err >= 0)
		err = memcg_oom(&g->memcg, &oom);
	if (!err)
		err = sys_epoll_ctl(handler.respond_epoll, SYS_EPOLL_ADD, g->oom_event, &ev);
	if (err) {
		if (g->oom_event >= 0 && !is_designated)
			sys_close(g->oom_event);
		memcg_close(&g->memcg);
		return err;
	}
	g->response = (struct response){ .last_kills = oom.kills };
	g->is_open = 1;
	scan_guard(g);
	shared_store(&g->active, 1);
	/* The responder may have taken an event that it had not to heed yet. */
	if (!memcg_oom(&g->memcg, &oom) && oom.under_oom)
		handler_poke(g);
	return 0;
}

/* Has the responder begun a turn in which it leaves the guard alone? Within a bound: it may sleep in an OOM. */
static int is_left_alone(struct guarded *g)
{
	uint64_t since_ns;

	__atomic_store_n(&g->active, 0, __ATOMIC_SEQ_CST);
	sys_epoll_ctl(handler.respond_epoll, SYS_EPOLL_DEL, g->oom_event, 0);
	since_ns = sys_now_ns();
	handler_poke(g);
	for (int ms = 0; shared_load(&handler.self.me->beat_ns) <= since_ns; ms++) {
		if (ms == LET_GO_BOUND_MS)
			return 0;
		sys_sleep_ms(1);
	}
	return 1;
}

int guarded_let_go(struct guarded *g)
{
	enum { KEPT = offsetof(struct guarded, active) };

	if (g->is_open) {
		if (!is_left_alone(g))
			return 0;
		view_close(g);
		scan_forget(g);
		reaper_let_go(g->index);
		sys_close(g->oom_event);
		memcg_close(&g->memcg);
	}
	memset((char *)g + KEPT, 0, sizeof(*g) - KEPT);
	return 1;
}
