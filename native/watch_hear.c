/* SPDX-License-Identifier: MIT */
/* Hop 4a: whose OOM event has come. Those of cgroup v2 come all day where files go through a group: then not each wakes us. */
#include "log.h"
#include "watcher.h"

/* The owner's look says whether another event may be news sooner, the other watcher hears of an incident by the responder. */
void watch_hear_event(struct watched *w, uint64_t now_ns)
{
	uint64_t deaf_ms = watcher_owns() ? WATCH_TICK_MS : NEAR_TICK_MS;

	w->fired = 1;
	w->deaf_ns = memcg_is_v2(&w->memcg) ? now_ns + deaf_ms * 1000000 : 0;
	watcher.is_any_deaf |= w->deaf_ns != 0;
	watcher.event_ns = now_ns;
}

/* v2: who was deaf hears what came meanwhile. That of a group that is gone would come for ever. */
void watch_hear_late(uint64_t now_ns)
{
	for (uint32_t i = 0; i < watcher.guards && watcher.is_any_deaf; i++) {
		struct watched *w = &watcher.watched[i];

		if (!w->deaf_ns || now_ns < w->deaf_ns)
			continue;
		w->deaf_ns = 0;
		if (shared_load(&w->guard->state) == GUARD_GONE)
			continue;
		if (memcg_hear(&w->memcg, w->oom_event, watcher.epoll, w->index))
			watch_hear_event(w, now_ns);
		else if (w->is_calm)
			memcg_close_counters(&w->memcg);
	}
}

int watch_hear_next_ms(uint64_t now_ns)
{
	int next_ms = -1;

	for (uint32_t i = 0; i < watcher.guards && watcher.is_any_deaf; i++) {
		uint64_t then_ns = watcher.watched[i].deaf_ns;

		if (then_ns)
			next_ms = watcher_sooner(next_ms, watcher_ms_until(then_ns, now_ns));
	}
	watcher.is_any_deaf = next_ms >= 0;
	return next_ms;
}
