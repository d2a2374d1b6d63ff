/* SPDX-License-Identifier: MIT */
/*
 * Hop 2b: one scan of a guard: list its processes, admit new ones, read their memory, record what
 * changed, publish.
 *
 * Primed processes are read every time, the others when they have used CPU. In a full group opens
 * fail with ENOMEM: then what was known is kept and nothing is published, or the group's growth
 * would pass for explained.
 */
#include "scan.h"
#include "births.h"
#include "log.h"
#include "oom_group.h"
#include "pids.h"
#include "rank.h"
#include "sys.h"
#include "system.h"

enum { PRESSURE_BYTES = 256 }; /* two lines, of 60 each */
enum { LEADERS_EVERY = 8, LISTS_EVERY = 10 };

struct scan scan;

/* cgroup.procs of the group being listed. */
static int visit_process(uint32_t pid, void *arg)
{
	struct table *t = &handler.table;
	uint16_t slot = table_find(t, scan.g->index, pid);
	struct table_extra *e;

	(void)arg;
	if (slot == TABLE_NONE) {
		slot = table_add(t, scan.g->index, pid);
		if (slot == TABLE_NONE)
			return 0;
		t->latest[slot].group = (uint16_t)scan.group;
	}
	e = &t->extra[slot];
	if (e->scan == scan.g->scans)
		return 0; /* a thread of it is in another of the groups too */
	e->scan = scan.g->scans;
	if (!e->leader_scan || t->latest[slot].group != scan.group)
		scan.ask_tasks = 1;
	handler.sampled->slots[handler.sampled->n++] = slot;
	return 0;
}

/* tasks of the group being listed: a leader's id is its process's. */
static int visit_task(uint32_t tid, void *arg)
{
	struct table *t = &handler.table;
	uint16_t slot = table_find(t, scan.g->index, tid);

	(void)arg;
	if (slot != TABLE_NONE) {
		t->extra[slot].leader_scan = scan.g->scans;
		t->latest[slot].group = (uint16_t)scan.group;
	}
	return 0;
}

static void list_groups(struct guarded *g)
{
	for (uint32_t i = 0; i < g->groups; i++) {
		int err;

		scan.group = i;
		scan.ask_tasks = 0;
		err = pids_each_now(g->dirs[i], "cgroup.procs", handler.sample_pids, PIDS_BYTES,
				    visit_process, 0);
		if (!err && (scan.ask_tasks || scan.ask_all))
			err = pids_each_now(g->dirs[i],
					    memcg_is_v2(&g->memcg) ? "cgroup.procs" : "tasks",
					    handler.sample_pids, PIDS_BYTES, visit_task, 0);
		if (scan_is_gone(err))
			g->links[0] = 0; /* a child was removed: walk the tree again */
		else if (err)
			scan.is_partial = 1;
	}
	if (scan.ask_all && !scan.is_partial)
		g->leaders_scan = g->scans;
}

/* Far from its limit births and deaths are told, and who moves is seen late. */
static int is_told_who_is_there(const struct guarded *g)
{
	return births_are_told(g) && !g->is_inside && g->scanned_ms && g->scans % LISTS_EVERY;
}

/* Instead of the lists: those of the table. */
static void take_the_known(void)
{
	struct table *t = &handler.table;

	for (uint32_t slot = 0; slot < t->used; slot++) {
		if (!t->latest[slot].pid || t->latest[slot].guard != scan.g->index)
			continue;
		t->extra[slot].scan = scan.g->scans;
		handler.sampled->slots[handler.sampled->n++] = (uint16_t)slot;
	}
}

void scan_forget_one(uint16_t slot)
{
	struct table *t = &handler.table;
	struct snapshot *s = &t->latest[slot];

	scan.grown_pages -= rank_charged(s->anon_pages, t->extra[slot].base_pages);
	if (handler.frames && s->start_time)
		record_gone(handler.frames, s, slot, t->extra[slot].since_us, scan.now_us);
	table_remove(t, slot);
}

/* Those of the guard that this scan did not see have left or died. */
static void forget_the_gone(void)
{
	const struct table *t = &handler.table;

	for (uint32_t slot = 0; slot < t->used; slot++)
		if (t->latest[slot].pid && t->latest[slot].guard == scan.g->index &&
		    t->extra[slot].scan != scan.g->scans)
			scan_forget_one((uint16_t)slot);
}

void scan_forget(struct guarded *g)
{
	scan_begin(g);
	g->scans++;
	forget_the_gone();
}

/* Has somebody else written the switch? */
static int is_switch_strange(const struct guarded *g)
{
	uint32_t state = shared_load(&g->guard->state);
	struct memcg_oom oom;

	return g->guard->flags & GUARD_POWERS && state != GUARD_NONE &&
	       !memcg_oom(&g->memcg, &oom) && oom.held != guard_is_held(state);
}

/* Publishes the counters, and wakes the watchers for what they have no event of: another limit, a v1 group that they
 * hold and that is far from its limit again, and a switch that somebody else has written. */
static void publish_counters(struct guarded *g, const struct memcg_room *room)
{
	struct guard *guard = g->guard;
	int limit_changed = guard->limit_bytes && guard->limit_bytes != room->limit_bytes;
	int far_again = !memcg_is_v2(&g->memcg) && !memcg_is_before(&g->memcg) &&
			shared_load(&guard->state) == GUARD_NEAR &&
			memcg_left_bytes(room) > memcg_far_bytes(guard->margin_bytes);

	shared_store(&guard->usage_bytes, room->usage_bytes);
	shared_store(&guard->limit_bytes, room->limit_bytes);
	shared_store(&guard->procs, handler.sampled->n);
	if (limit_changed || far_again || is_switch_strange(g))
		role_ask_for_look(guard);
}

/* On v2 nothing else tells the watchers of a quiet group's removal: systemd restarts a service so. */
static void tell_of_removal(const struct guarded *g, int err)
{
	if (scan_is_gone(err) && shared_load(&g->guard->state) != GUARD_GONE)
		role_ask_for_look(g->guard);
}

int scan_is_inside(const struct guarded *g)
{
	struct memcg_oom oom;
	struct memcg_room room;

	return !memcg_oom(&g->memcg, &oom) && !memcg_room(&g->memcg, &room) &&
	       memcg_is_inside(&g->memcg, &oom, &room, g->guard->margin_bytes);
}

void scan_begin(struct guarded *g)
{
	scan.g = g;
	scan.view = &g->views[g->current];
	scan.weighing =
		weighing_of(handler.self.region, standing_of(handler.self.region, g->index));
	scan.now_ms = sys_boot_ns() / 1000000;
	scan.now_us = sys_now_ns() / 1000;
	scan.grown_pages = 0;
}

/* What the group held, for the view: who died during the scan was counted before, and is not sampled; and who was sampled may
 * have grown. Too little is looked for at an OOM, too much would pass for memory that nobody holds. */
static uint64_t anon_of_scan(const struct guarded *g)
{
	uint64_t now_bytes = scan.anon_bytes;

	memcg_anon(&g->memcg, &now_bytes);
	return now_bytes < scan.anon_bytes ? now_bytes : scan.anon_bytes;
}

/* v2; where the kernel does not tell, there is none. In a full group it cannot be opened, and an incident has better to do. */
static void read_pressure(const struct guarded *g, struct frame *head)
{
	char buf[PRESSURE_BYTES];
	int fd = memcg_is_v2(&g->memcg) && !scan_is_cut_short()
			 ? sys_openat(g->memcg.dir, "memory.pressure", O_RDONLY, 0)
			 : -ENOENT;
	long n = fd < 0 ? fd : sys_read(fd, buf, sizeof(buf));

	if (fd >= 0)
		sys_close(fd);
	if (n <= 0)
		return;
	head->some = (uint16_t)system_parse_pressure(buf, buf + n, 0, 10);
	head->full = (uint16_t)system_parse_pressure(buf, buf + n, 1, 10);
}

/* Into the flight recorder. */
static void record(const struct guarded *g, uint64_t usage_bytes)
{
	struct frame head = { .t_us = scan.now_us,
			      .usage_pages = (uint32_t)(usage_bytes / 4096),
			      .inode = (uint32_t)g->guard->inode,
			      .guard = (uint16_t)g->index };

	if (!handler.frames)
		return;
	read_pressure(g, &head);
	for (int i = 0; i < 2; i++)
		record_frame(&handler.records[i], head, handler.sampled->n, handler.table.latest,
			     handler.table.used);
}

/* One scan of one guard. Says whether the group is inside its margin. */
int scan_guard(struct guarded *g)
{
	struct recorder *r = handler.self.recorder;
	struct memcg_room room;
	uint64_t start_ns = 0, end_ns = 0;
	int are_listed, err = memcg_limits(&g->memcg, &room);

	if (!err)
		err = memcg_anon(&g->memcg, &scan.anon_bytes);
	if (err) {
		tell_of_removal(g, err);
		return 0;
	}
	sys_clock_ns(SYS_CLOCK_THREAD_CPU, &start_ns);
	scan_begin(g);
	births_begin_scan(g);
	scan.grown_pages = g->between_pages;
	g->between_pages = 0;
	scan.is_partial = 0;
	handler.sampled->n = 0;
	g->scans++;
	scan.ask_all = !g->is_inside || g->scans % LEADERS_EVERY == 0;
	are_listed = !is_told_who_is_there(g);
	if (view_refresh_groups(g)) {
		are_listed = 1;
		shared_store(&g->guard->tree_changes, g->guard->tree_changes + 1);
		role_wake_watchers(); /* a new child may have inherited "killer off" */
	}
	oom_group_read(g);
	if (are_listed)
		list_groups(g);
	else
		take_the_known();
	if (!scan.is_partial)
		forget_the_gone();
	scan_read_known();
	scan_admit_new();
	if (!scan.is_partial && !scan_is_cut_short() &&
	    view_publish(g, handler.sampled, anon_of_scan(g)))
		g->scanned_ms = scan.now_ms;
	publish_counters(g, &room);
	record(g, room.usage_bytes);
	if (shared_load(&g->guard->designated.pid))
		role_wake(FD_DOOR);
	sys_clock_ns(SYS_CLOCK_THREAD_CPU, &end_ns);
	shared_store(&r->scan_cpu_ns, r->scan_cpu_ns + (end_ns - start_ns));
	shared_store(&r->procs_scanned, r->procs_scanned + handler.sampled->n);
	shared_store(&r->snapshots, r->snapshots + 1);
	return scan_is_inside(g);
}
