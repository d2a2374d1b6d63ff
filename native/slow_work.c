/* SPDX-License-Identifier: MIT */
/* Hop 4a: work of the watchers that is slow: it waits for an RCU grace period, or walks many groups. */
#include "high.h"
#include "log.h"
#include "sys.h"
#include "watcher.h"

int slow_work_is_wanted(const struct watched *w)
{
	return high_wants_room(w) || w->wants_pressure ||
	       (w->attached && w->guard->chores_done != switch_chores(w->guard));
}

/* Of our own: the groups that we are to live in. */
static int is_to_settle(void) { return !watcher.self.me->settled && role_is_armed(&watcher.self); }

static int is_any_left(void)
{
	int any = is_to_settle();

	for (uint32_t i = 0; i < watcher.guards && !any; i++)
		any = slow_work_is_wanted(&watcher.watched[i]);
	return any;
}

/* Piece 0 is our own groups, the others a guard each; says whether there was anything to do. */
static int do_piece(uint32_t piece)
{
	struct watched *w;
	int any = 0;

	if (!piece) {
		any = is_to_settle();
		if (any)
			role_settle(&watcher.self);
		return any;
	}
	w = &watcher.watched[piece - 1];
	if (high_wants_room(w)) {
		high_make_room(w);
		any = 1;
	}
	if (w->wants_pressure) {
		watch_pressure(w, 1);
		any = 1;
	}
	if (w->attached && w->guard->chores_done != switch_chores(w->guard)) {
		switch_do_chores(w);
		any = 1;
	}
	return any;
}

/*
 * One piece a turn: with a hundred guards all of it takes seconds, in which nobody would look at a guard, for the
 * other watcher does its own at the same time. Says whether this pass has more.
 */
static int go_on(uint32_t *next_piece)
{
	int done = 0;

	shared_store(&watcher.self.me->is_slow, 1);
	for (; *next_piece <= watcher.guards && !done; ++*next_piece)
		done = do_piece(*next_piece);
	shared_store(&watcher.self.me->is_slow, 0);
	if (*next_piece <= watcher.guards)
		return 1;
	*next_piece = 0;
	watcher_wake_other();
	return 0;
}

int slow_work_see_to(uint64_t now_ns, int peer_alive, int is_any_wanted)
{
	static uint32_t next_piece; /* 0: no pass is begun */
	int is_first = !watcher_owns() || !peer_alive;

	if (shared_load(&watcher.self.region->stop) || (!is_any_wanted && !is_to_settle())) {
		watcher.defers_ns = watcher.again_ns = 0;
		next_piece = 0;
		return -1;
	}
	if (now_ns < watcher.again_ns) /* it could not be done a moment ago */
		return OTHER_FIRST_MS;
	if (next_piece || is_first ||
	    (watcher.defers_ns && now_ns > watcher.defers_ns + OTHER_FIRST_MS * 1000000ull)) {
		if (go_on(&next_piece))
			return 0;
		watcher.defers_ns = 0;
		if (!is_any_left())
			return 0;
		watcher.again_ns = now_ns + OTHER_FIRST_MS * 1000000ull;
		return OTHER_FIRST_MS;
	}
	if (!watcher.defers_ns) {
		watcher.defers_ns = now_ns;
		watcher_wake_other();
	}
	return OTHER_FIRST_MS / 4;
}
