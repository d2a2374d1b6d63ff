/* SPDX-License-Identifier: MIT */
/* Hop 4b: a watcher opens a guard, and closes it: its group's files, and its events. */
#include "high.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "threshold.h"
#include "watcher.h"

/* By who may: where it is not to be had at an OOM, the order fails, and the next one is tried. */
static int open_move_to(const struct watched *w)
{
	const struct standing *st = standing_of(watcher.self.region, w->index);
	char path[PATH_BYTES + 16];
	struct text t = text_on(path, sizeof(path));

	if (!st || !st->move_to[0] || !(w->guard->flags & GUARD_ALLOW_MOVE))
		return 0;
	text_add(&t, st->move_to);
	text_add(&t, "/cgroup.procs");
	return sys_open(path, O_WRONLY);
}

void watch_pressure(struct watched *w, int is_cramped)
{
	w->wants_pressure = 0;
	w->pressure_event = memcg_watch_pressure(&w->memcg, is_cramped);
	shared_store(&w->guard->pressure_result, w->pressure_event < 0 ? w->pressure_event : 0);
}

int watch_attach(struct watched *w)
{
	int may_write = (w->guard->flags & GUARD_POWERS) != 0;
	int err = memcg_open(&w->memcg, role_open_group(w->guard), may_write, &w->guard->high);

	if (err)
		return err;
	if (w->guard->flags & GUARD_BEFORE)
		memcg_act_before(&w->memcg, &w->guard->margin_bytes, &w->guard->before_held);
	w->oom_event = memcg_watch_oom(&w->memcg);
	w->near_event = memcg_is_v2(&w->memcg) ? 0 : sys_eventfd(0, SYS_EFD_NONBLOCK);
	w->move_to = open_move_to(w);
	watch_pressure(w, 0);
	err = w->oom_event < 0 ? w->oom_event : w->near_event < 0 ? w->near_event : 0;
	if (err) {
		watch_detach(w);
		return err;
	}
	if (memcg_has_mark(&w->memcg))
		high_watch(w);
	w->attached = 1;
	*threshold_limit(w) = 0; /* one before us may have left it */
	watch_resume(w);
	return 0;
}

void watch_detach(struct watched *w)
{
	if (w->oom_event > 0)
		sys_close(w->oom_event);
	if (w->near_event > 0)
		sys_close(w->near_event);
	if (w->pressure_event > 0)
		sys_close(w->pressure_event);
	if (w->move_to > 0)
		sys_close(w->move_to);
	threshold_forget(w);
	high_unwatch(w);
	memcg_close(&w->memcg);
	w->oom_event = w->near_event = w->pressure_event = w->move_to = 0;
	w->deaf_ns = 0;
	w->wants_pressure = 0;
	w->attached = 0;
}

void watch_let_go(struct watched *w)
{
	if (w->attached)
		watch_detach(w);
	*w = (struct watched){ .guard = w->guard, .index = w->index, .followed = w->followed };
	shared_store(&w->guard->attached[watcher.self.role], 0);
	watcher_wake_other();
	role_wake(FD_AGENT);
}

void watch_make_free(struct guard *g)
{
	int is_held_by_any = 0;

	for (int i = 0; i < ROLES; i++)
		is_held_by_any |=
			__atomic_load_n(&g->attached[i], __ATOMIC_SEQ_CST) != ATTACHED_NOT;
	if (is_held_by_any || !guard_is_over(g) || !watcher_owns())
		return;
	memset(&g->high, 0, sizeof(g->high));
	g->before_held = 0;
	memset(g->children, 0, sizeof(g->children));
	g->room_wanted = g->room_made = g->limit_hits = 0;
	g->switched = g->chores_done = g->kills_below = 0;
	shared_store(&g->state, GUARD_NONE);
	shared_store(&g->inode, 0);
	shared_store(&g->want, WANT_NOTHING);
	role_wake(FD_AGENT);
}
