/* SPDX-License-Identifier: MIT */
/* Hop 4a: work of the watchers that is slow: it waits for an RCU grace period, or walks many groups. */
#include "log.h"
#include "sys.h"
#include "watcher.h"

static int has_slow_work(void)
{
	const struct role_self *self = &watcher.self;
	int any = !self->me->settled && role_is_armed(self);

	for (uint32_t i = 0; i < watcher.guards; i++) {
		const struct watched *w = &watcher.watched[i];

		any |= watch_wants_threshold(w);
		any |= w->attached && w->guard->chores_done != switch_chores(w->guard);
	}
	return any;
}

static void do_slow_work(void)
{
	struct role_self *self = &watcher.self;

	shared_store(&self->me->is_slow, 1);
	if (!self->me->settled && role_is_armed(self))
		role_settle(self);
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];

		if (watch_wants_threshold(w))
			watch_set_threshold(w);
		if (w->attached && w->guard->chores_done != switch_chores(w->guard))
			switch_do_chores(w);
		shared_store(&self->me->beat_ns, sys_now_ns());
	}
	shared_store(&self->me->is_slow, 0);
	watcher_wake_other();
}

int slow_work_see_to(uint64_t now_ns, int peer_alive)
{
	int is_first = !watcher_owns() || !peer_alive;

	if (shared_load(&watcher.self.region->stop) || !has_slow_work()) {
		watcher.defers_ns = watcher.again_ns = 0;
		return -1;
	}
	if (now_ns < watcher.again_ns) /* it could not be done a moment ago */
		return OTHER_FIRST_MS;
	if (is_first ||
	    (watcher.defers_ns && now_ns > watcher.defers_ns + OTHER_FIRST_MS * 1000000ull)) {
		do_slow_work();
		watcher.defers_ns = 0;
		return has_slow_work() ? OTHER_FIRST_MS
				       : 0; /* what could not be done is tried again */
	}
	if (!watcher.defers_ns) {
		watcher.defers_ns = now_ns;
		watcher_wake_other();
	}
	return OTHER_FIRST_MS / 4;
}
