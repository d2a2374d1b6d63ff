/* SPDX-License-Identifier: MIT */
/* Hop 2b: one scan reads processes: those it knows when that is due, the new to admit them. */
#include "log.h"
#include "procfs.h"
#include "rank.h"
#include "scan.h"
#include "sys.h"
#include "text.h"

enum { CLOCK_TICK_MS = 10, DETAILS_EVERY = 16, NEVER_KILLED = -1000 };

/* What changes seldom: the split of memory, the score, the name. */
static int read_details(struct snapshot *s, struct table_extra *e)
{
	struct procfs_stat stat = { 0 };
	struct procfs_status status = { 0 };
	int proc = procfs_open(s->pid);
	int adj = 0;
	int err = proc < 0 ? proc : procfs_read_stat(proc, &stat);

	if (!err)
		err = procfs_read_status(proc, &status);
	if (!err)
		err = procfs_read_oom_score_adj(proc, &adj);
	if (err) {
		if (proc >= 0)
			sys_close(proc);
		return err;
	}
	s->start_time = stat.start_time;
	s->uid = status.uid;
	s->file_pages = status.file;
	s->shmem_pages = status.shmem;
	s->swap_pages = status.swap;
	s->oom_score_adj = (int16_t)adj;
	memcpy(s->comm, stat.comm, COMM_BYTES);
	e->exempt = s->pid <= 1 || region_is_ours(handler.self.region, s->pid) ||
		    stat.kernel_thread || adj == NEVER_KILLED;
	e->percent = scan_weigh(s, proc) & 0xfffu;
	sys_close(proc);
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

/* Who may be killed must not have become -1000 since: the primed, and where a group is killed as a whole, everybody. Where
 * names count, everybody too: an exec changes them. */
static int is_detail_due(uint16_t slot, int primed)
{
	const struct snapshot *s = &handler.table.latest[slot];

	return (primed || scan.g->whole[s->group] || scan.weighing) &&
	       slot % DETAILS_EVERY == scan.g->scans % DETAILS_EVERY;
}

/* Reads what is due of a known process. */
static void read_again(uint16_t slot, const struct candidate *primed)
{
	struct snapshot *s = &handler.table.latest[slot];
	struct table_extra *e = &handler.table.extra[slot];
	int err = read_memory(s, e, primed);

	if (!err && is_detail_due(slot, primed != NULL))
		err = read_details(s, e);
	if (!err || scan_is_gone(err))
		return;
	scan.is_partial = 1;
	e->read_cpu_ns = 0; /* has_run() at the next scan */
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

int scan_is_cut_short(void) { return __atomic_load_n(&scan.g->busy, __ATOMIC_SEQ_CST) != 0; }

void scan_read_known(void)
{
	struct table *t = &handler.table;

	for (uint32_t i = 0; i < handler.sampled->n && !scan_is_cut_short(); i++) {
		uint16_t slot = handler.sampled->slots[i];
		struct table_extra *e = &t->extra[slot];
		struct snapshot *s = &t->latest[slot];
		const struct candidate *primed;

		if (!s->start_time)
			continue;
		primed = view_find(scan.view, s->pid);
		if (has_run(s, e) || primed || slot % SAMPLE_SHARE == scan.g->scans % SAMPLE_SHARE)
			read_again(slot, primed);
	}
}

static int admit(struct snapshot *s, struct table_extra *e)
{
	struct table *t = &handler.table;
	int64_t grown_pages = scan.grown_pages;
	int err;

	has_run(s, e);
	e->since_us = scan.now_us;
	err = scan_is_cut_short() ? -EAGAIN : read_details(s, e);
	if (!err)
		err = read_memory(s, e, 0);
	if (err)
		return err;
	scan.grown_pages = grown_pages; /* it has not grown, it has come */
	e->base_pages = base_of(s);
	scan.grown_pages += rank_charged(s->anon_pages, e->base_pages);
	/* Of who is there at the first look nobody knows how fast it has grown. */
	if (t->past_pages && !scan.g->scanned_ms)
		t->past_pages[s - t->latest] = rank_charged(s->anon_pages, e->base_pages);
	return 0;
}

void scan_admit_new(void)
{
	struct table *t = &handler.table;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < handler.sampled->n; i++) {
		uint16_t slot = handler.sampled->slots[i];
		struct table_extra *e = &t->extra[slot];
		struct snapshot *s = &t->latest[slot];

		int err = s->start_time ? 0 : admit(s, e);

		if (err) {
			scan.is_partial |= !scan_is_gone(err);
			table_remove(t, slot);
			continue;
		}
		handler.sampled->slots[kept++] = slot;
	}
	handler.sampled->n = kept;
}

int scan_admit_born(uint16_t slot, uint32_t base_pages)
{
	struct snapshot *s = &handler.table.latest[slot];
	struct table_extra *e = &handler.table.extra[slot];
	int err;

	has_run(s, e);
	e->since_us = scan.now_us;
	err = read_details(s, e);
	if (!err)
		err = read_memory(s, e, 0);
	e->base_pages = base_pages < s->anon_pages ? base_pages : s->anon_pages;
	scan.grown_pages = rank_charged(s->anon_pages, e->base_pages);
	return err;
}

int scan_reread(uint16_t slot)
{
	struct snapshot *s = &handler.table.latest[slot];
	struct table_extra *e = &handler.table.extra[slot];
	int err = read_memory(s, e, 0);

	e->base_pages = 0;
	return scan_is_gone(err ? err : read_details(s, e));
}

int scan_is_dead(uint32_t pid)
{
	uint32_t pages;
	int thread;

	return scan_is_gone(procfs_anon_pages_of(pid, &pages, &thread));
}
