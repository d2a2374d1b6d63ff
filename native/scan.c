/* SPDX-License-Identifier: MIT */
/*
 * Hop 2b: one scan of a guard: list its processes, admit new ones, read their memory, record what
 * changed, publish.
 *
 * Primed processes are read every time, the others when they have used CPU. In a full group opens
 * fail with ENOMEM: then what was known is kept and nothing is published, or the group's growth
 * would pass for explained.
 */
#include "handler.h"
#include "log.h"
#include "pids.h"
#include "procfs.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

enum { CLOCK_TICK_MS = 10, DETAILS_EVERY = 16, LEADERS_EVERY = 8, NEVER_KILLED = -1000 };

/* The scan under way. */
static struct scan {
	struct guarded *g;
	struct view *view;
	uint32_t group; /* being listed */
	int is_partial; /* somebody who lives could not be read */
	int ask_tasks;	/* somebody's leader is not known to be in the group */
	int ask_all;	/* leaders may have left since */
	uint64_t now_ms;
	uint64_t anon_bytes; /* the group's own count of anonymous memory, before anybody is read */
	int64_t grown_pages; /* by how much those read have grown since they were read last */
} scan;

/* A process died, or a group was removed, after it was listed. */
static int is_gone(int err) { return err == -ENOENT || err == -ESRCH || err == -ENODEV; }

static int is_ours(uint32_t pid)
{
	const struct region *r = handler.self.region;

	return pid <= 1 || pid == r->agent_pid || pid == r->helpers[ROLE_HANDLER].pid ||
	       pid == r->helpers[ROLE_WATCHDOG].pid || pid == r->helpers[ROLE_SPARE].pid;
}

static void record(const struct snapshot *s)
{
	struct recorder *r = handler.self.recorder;

	r->ring[r->head & (RING_RECORDS - 1)] = *s;
	shared_store(&r->head, r->head + 1);
}

/* What changes seldom: the split of memory, the score, the name. */
static int read_details(struct snapshot *s, struct table_extra *e)
{
	struct procfs_stat stat = { 0 };
	struct procfs_status status = { 0 };
	struct statx st;
	int proc = procfs_open(s->pid);
	int adj = 0;
	int err = proc < 0 ? proc : procfs_read_stat(proc, &stat);

	if (!err)
		err = procfs_read_status(proc, &status);
	if (!err)
		err = procfs_read_oom_score_adj(proc, &adj);
	if (!err)
		err = sys_statx(proc, "", 0x1000 /* AT_EMPTY_PATH */, STATX_UID, &st);
	if (proc >= 0)
		sys_close(proc);
	if (err)
		return err;
	s->start_time = stat.start_time;
	s->uid = st.stx_uid;
	s->file_pages = status.file;
	s->shmem_pages = status.shmem;
	s->swap_pages = status.swap;
	s->oom_score_adj = (int16_t)adj;
	memcpy(s->comm, stat.comm, COMM_BYTES);
	e->exempt = is_ours(s->pid) || stat.kernel_thread || adj == NEVER_KILLED;
	return 0;
}

static int read_memory(struct snapshot *s, struct table_extra *e, const struct candidate *primed)
{
	uint32_t pages;
	int err = primed ? procfs_anon_pages(primed->statm, &pages) : -ESRCH;

	if (err == -ESRCH) {
		int thread = 0;

		err = procfs_anon_pages_of(s->pid, &pages, &thread);
		if (!err && thread)
			e->leader_dead = 1;
		if (!err && primed)
			e->moved = 1;
	}
	if (err || pages == s->anon_pages)
		return err;
	scan.grown_pages += (int64_t)pages - s->anon_pages;
	s->anon_pages = pages;
	if (e->base_pages > pages)
		e->base_pages = pages;
	s->t_ms = scan.now_ms;
	record(s);
	return 0;
}

/* Has it used CPU since it was read? If not, it has not touched a page. (A clock of a process that
 * runs is up to a tick behind: that is why one in SAMPLE_SHARE is read anyway.) */
static int has_run(const struct snapshot *s, struct table_extra *e)
{
	uint64_t before_ns = e->read_cpu_ns;

	sys_cpu_of_process_ns((int)s->pid, &e->read_cpu_ns);
	return e->read_cpu_ns != before_ns;
}

/* Reads what is due of a known process. */
static void read_again(struct snapshot *s, struct table_extra *e, const struct candidate *primed)
{
	int err = read_memory(s, e, primed);

	if (!err && primed && scan.g->scans % DETAILS_EVERY == 0)
		err = read_details(s, e);
	if (!err || is_gone(err))
		return;
	scan.is_partial = 1;
	e->read_cpu_ns = 0; /* has_run() at the next scan */
}

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
			err = pids_each_now(g->dirs[i], "tasks", handler.sample_pids, PIDS_BYTES,
					    visit_task, 0);
		if (is_gone(err))
			g->links[0] = 0; /* a child was removed: walk the tree again */
		else if (err)
			scan.is_partial = 1;
	}
	if (scan.ask_all && !scan.is_partial)
		g->leaders_scan = g->scans;
}

/* One that holds more than the whole group grew elsewhere, however young it is. (The group may have grown since it
 * was asked.) */
static int holds_more_than_group(const struct snapshot *s)
{
	uint64_t bytes = (uint64_t)s->anon_pages * 4096, now_bytes = 0;

	return bytes > scan.anon_bytes + KILL_MIN_BYTES &&
	       !memcg_anon(&scan.g->memcg, &now_bytes) && bytes > now_bytes + KILL_MIN_BYTES;
}

/*
 * A process that was alive before the last scan but not in the group has moved in. Of its memory only
 * so much is charged here as the group has grown by more than those known explain.
 */
static uint32_t base_of(const struct snapshot *s)
{
	int64_t here = (int64_t)(scan.anon_bytes / 4096) - (int64_t)(scan.view->anon_bytes / 4096) -
		       scan.grown_pages;
	int is_new = s->start_time * CLOCK_TICK_MS + CLOCK_TICK_MS >= scan.g->scanned_ms;

	if (is_new && !holds_more_than_group(s))
		return 0;
	if (here < 0)
		here = 0;
	return here < s->anon_pages ? s->anon_pages - (uint32_t)here : 0;
}

/* The responder has work: a scan comes too late now, and takes CPU from a dying victim. */
static int is_cut_short(void) { return __atomic_load_n(&scan.g->busy, __ATOMIC_SEQ_CST) != 0; }

/* Reads the known: the primed, who has run, and one in SAMPLE_SHARE of the others. */
static void read_known(void)
{
	struct table *t = &handler.table;

	for (uint32_t i = 0; i < handler.sampled->n && !is_cut_short(); i++) {
		uint16_t slot = handler.sampled->slots[i];
		struct table_extra *e = &t->extra[slot];
		struct snapshot *s = &t->latest[slot];
		const struct candidate *primed;

		if (!s->start_time)
			continue;
		primed = view_find(scan.view, s->pid);
		if (has_run(s, e) || primed || slot % SAMPLE_SHARE == scan.g->scans % SAMPLE_SHARE)
			read_again(s, e, primed);
	}
}

static int admit(struct snapshot *s, struct table_extra *e)
{
	int64_t grown_pages = scan.grown_pages;
	int err;

	has_run(s, e);
	err = is_cut_short() ? -EAGAIN : read_details(s, e);
	if (!err)
		err = read_memory(s, e, 0);
	if (err)
		return err;
	scan.grown_pages = grown_pages; /* it has not grown, it has come */
	e->base_pages = base_of(s);
	scan.grown_pages += rank_charged(s->anon_pages, e->base_pages);
	return 0;
}

/* Reads the new for the first time; those that cannot be read are left to the next scan. */
static void admit_new(void)
{
	struct table *t = &handler.table;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < handler.sampled->n; i++) {
		uint16_t slot = handler.sampled->slots[i];
		struct table_extra *e = &t->extra[slot];
		struct snapshot *s = &t->latest[slot];

		int err = s->start_time ? 0 : admit(s, e);

		if (err) {
			scan.is_partial |= !is_gone(err);
			table_remove(t, slot);
			continue;
		}
		handler.sampled->slots[kept++] = slot;
	}
	handler.sampled->n = kept;
}

/* Those of the guard that this scan did not see have left or died. */
static void forget_the_gone(void)
{
	struct table *t = &handler.table;

	for (uint32_t slot = 0; slot < t->used; slot++) {
		struct snapshot *s = &t->latest[slot];

		if (!s->pid || s->guard != scan.g->index || t->extra[slot].scan == scan.g->scans)
			continue;
		scan.grown_pages -= rank_charged(s->anon_pages, t->extra[slot].base_pages);
		s->gone = 1;
		s->t_ms = scan.now_ms;
		record(s);
		table_remove(t, (uint16_t)slot);
	}
}

/* Has somebody else written the switch? */
static int is_switch_strange(const struct guarded *g)
{
	uint32_t state = shared_load(&g->guard->state);
	struct memcg_oom oom;

	return g->guard->flags & GUARD_ALLOW_KILL && state != GUARD_NONE &&
	       !memcg_oom(&g->memcg, &oom) && oom.held != guard_is_held(state);
}

/* Publishes the counters, and wakes the watchers for what they have no event of: another limit, a group that they
 * hold and that is far from its limit again, and a switch that somebody else has written. */
static void publish_counters(struct guarded *g, const struct memcg_room *room)
{
	struct guard *guard = g->guard;
	int limit_changed = guard->limit_bytes && guard->limit_bytes != room->limit_bytes;
	int far_again = shared_load(&guard->state) == GUARD_NEAR &&
			memcg_left_bytes(room) > memcg_far_bytes(guard->margin_bytes);

	shared_store(&guard->usage_bytes, room->usage_bytes);
	shared_store(&guard->limit_bytes, room->limit_bytes);
	shared_store(&guard->procs, handler.sampled->n);
	if (limit_changed || far_again || is_switch_strange(g))
		role_ask_for_look(guard);
}

/* One scan of one guard. Says whether the group is inside its margin. */
int scan_guard(struct guarded *g)
{
	struct recorder *r = handler.self.recorder;
	struct memcg_room room;
	uint64_t start_ns = 0, end_ns = 0;

	if (memcg_room(&g->memcg, &room) || memcg_anon(&g->memcg, &scan.anon_bytes))
		return 0;
	sys_clock_ns(SYS_CLOCK_THREAD_CPU, &start_ns);
	scan.g = g;
	scan.view = &g->views[g->current];
	scan.now_ms = sys_boot_ns() / 1000000;
	scan.grown_pages = 0;
	scan.is_partial = 0;
	handler.sampled->n = 0;
	g->scans++;
	scan.ask_all = !g->is_inside || g->scans % LEADERS_EVERY == 0;
	if (view_refresh_groups(g)) {
		shared_store(&g->guard->tree_changes, g->guard->tree_changes + 1);
		role_wake_watchers(); /* a new child may have inherited "killer off" */
	}
	list_groups(g);
	if (!scan.is_partial)
		forget_the_gone();
	read_known();
	admit_new();
	if (!scan.is_partial && !is_cut_short() &&
	    view_publish(g, handler.sampled, scan.anon_bytes))
		g->scanned_ms = scan.now_ms;
	publish_counters(g, &room);
	if (shared_load(&g->guard->designated.pid))
		role_wake(FD_DOOR);
	sys_clock_ns(SYS_CLOCK_THREAD_CPU, &end_ns);
	shared_store(&r->scan_cpu_ns, r->scan_cpu_ns + (end_ns - start_ns));
	shared_store(&r->procs_scanned, r->procs_scanned + handler.sampled->n);
	shared_store(&r->snapshots, r->snapshots + 1);
	return memcg_left_bytes(&room) <= g->guard->margin_bytes;
}
