/* SPDX-License-Identifier: MIT */
/*
 * Hop 2c: what was sampled becomes what the responder acts on.
 *
 * Everything the event path needs is opened and read once here, while there is memory.
 */
#include "handler.h"
#include "log.h"
#include "oom_group.h"
#include "pids.h"
#include "procfs.h"
#include "rank.h"
#include "scan.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

/* A candidate gives its place only to one that is a quarter larger: opening costs more than it
 * is worth among near equals. */
static uint32_t with_bonus(uint32_t pages) { return pages + pages / 4 + 64; }

struct candidate *view_find(struct view *view, uint32_t pid)
{
	for (uint32_t i = 0; i < view->candidates; i++)
		if (view->candidate[i].pid == pid)
			return &view->candidate[i];
	return NULL;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		sys_close(fd);
}

int view_retire(struct guarded *g)
{
	struct view *old = &g->views[!g->current], *now = &g->views[g->current];

	if (!g->retired)
		return 1;
	if (__atomic_load_n(&g->busy, __ATOMIC_SEQ_CST))
		return 0;
	for (uint32_t i = 0; i < old->candidates; i++) {
		struct candidate *kept = view_find(now, old->candidate[i].pid);

		if (kept && kept->pidfd == old->candidate[i].pidfd)
			continue;
		close_if_open(old->candidate[i].pidfd);
		close_if_open(old->candidate[i].statm);
	}
	if (old->groups && (!now->groups || old->tasks[0] != now->tasks[0]))
		for (uint32_t i = 0; i < old->groups; i++)
			sys_close(old->tasks[i]);
	*old = (struct view){ 0 };
	g->retired = 0;
	return 1;
}

void view_switch(struct guarded *g)
{
	__atomic_store_n(&g->current, !g->current, __ATOMIC_SEQ_CST);
	g->retired = 1;
	view_retire(g);
}

/* The start time is read behind the pidfd: it cannot have been reused between. */
int view_prime(struct candidate *c, struct snapshot *s)
{
	struct procfs_stat stat = { 0 };
	int proc, err;

	c->pidfd = sys_pidfd_open((int)s->pid);
	if (c->pidfd < 0)
		return c->pidfd;
	proc = procfs_open(s->pid);
	err = proc < 0 ? proc : procfs_read_stat(proc, &stat);
	if (!err && stat.start_time != s->start_time)
		err = -ESRCH;
	if (!err) {
		c->statm = procfs_open_statm(proc);
		err = c->statm < 0 ? c->statm : 0;
	}
	close_if_open(proc);
	if (err) {
		sys_close(c->pidfd);
		return err;
	}
	memcpy(s->comm, stat.comm, COMM_BYTES); /* an exec may have changed it */
	c->pid = s->pid;
	c->start_time = s->start_time;
	return 0;
}

/* Memory is charged where a process's leader is; of a dead one it is not known. */
static int is_leader_here(const struct guarded *g, const struct table_extra *e)
{
	return e->leader_dead || (e->leader_scan && e->leader_scan >= g->leaders_scan);
}

/* Its place among the others. One that is primed already has a bonus. */
static struct rank_key key_of(enum rank_by by, uint16_t slot, uint32_t pages, int is_primed)
{
	const struct table *t = &handler.table;
	uint32_t past = t->past_pages ? t->past_pages[slot] : 0;
	struct rank_facts facts = { .start_time = t->latest[slot].start_time,
				    .pages = is_primed ? with_bonus(pages) : pages,
				    .percent = t->extra[slot].percent };

	facts.grown = facts.pages > past ? facts.pages - past : 0;
	return rank_key(by, &facts);
}

/* What it held about a second ago: what it has now counts for as much as the time since the last snapshot is of a second. */
static void age(uint16_t slot, uint32_t pages, uint64_t since_ms)
{
	uint32_t *past = handler.table.past_pages;
	int64_t more = past ? (int64_t)pages - past[slot] : 0;

	if (past)
		past[slot] = (uint32_t)(past[slot] + more * (int64_t)since_ms / 1000);
}

static uint32_t largest_unprimed(struct view *view, const struct sampled *sampled)
{
	const struct table *t = &handler.table;
	uint32_t most = 0;

	for (uint32_t i = 0; i < sampled->n; i++) {
		uint16_t slot = sampled->slots[i];
		uint32_t pages =
			rank_charged(t->latest[slot].anon_pages, t->extra[slot].base_pages);

		if (pages > most && !t->extra[slot].exempt && !view_find(view, t->latest[slot].pid))
			most = pages;
	}
	return most;
}

int view_publish(struct guarded *g, const struct sampled *sampled, uint64_t anon_bytes)
{
	struct view *old = &g->views[g->current], *new = &g->views[!g->current];
	struct table *t = &handler.table;
	enum rank_by by = rank_by_of(standing_of(handler.self.region, g->index));
	uint64_t since_ms = scan.now_ms - g->scanned_ms;
	struct rank rank = { 0 };
	uint64_t unprimed_pages = 0, sampled_pages = 0;

	if (!view_retire(g))
		return 0;
	new->by = (uint16_t)by;
	new->most_percent = WEIGH_EVEN;
	for (uint32_t i = 0; i < sampled->n; i++) {
		uint16_t slot = sampled->slots[i];
		struct snapshot *s = &t->latest[slot];
		uint32_t pages = rank_charged(s->anon_pages, t->extra[slot].base_pages);

		t->extra[slot].cpu_ns = t->extra[slot].read_cpu_ns;
		t->extra[slot].elsewhere = !is_leader_here(g, &t->extra[slot]);
		if (t->extra[slot].elsewhere)
			continue;
		sampled_pages += pages;
		rank_offer(&rank, slot, key_of(by, slot, pages, view_find(old, s->pid) != NULL));
		age(slot, pages, since_ms < 1000 ? since_ms : 1000);
		if (t->extra[slot].percent > new->most_percent)
			new->most_percent = t->extra[slot].percent;
	}
	new->groups = g->groups;
	memcpy(new->tasks, g->tasks, sizeof(new->tasks));
	memcpy(new->whole, g->whole, sizeof(new->whole));
	for (uint32_t i = 0; i < rank.n; i++) {
		uint16_t slot = (uint16_t)rank.best[i].slot;
		struct snapshot *s = &t->latest[slot];
		struct candidate *c = &new->candidate[new->candidates];
		struct candidate *had = view_find(old, s->pid);

		if (had && had->start_time == s->start_time && !t->extra[slot].moved)
			*c = *had;
		else if (view_prime(c, s)) {
			unprimed_pages += rank_charged(s->anon_pages, t->extra[slot].base_pages);
			t->extra[slot].cpu_ns = 0;
			continue;
		}
		t->extra[slot].moved = 0;
		c->base_pages = t->extra[slot].base_pages;
		c->anon_pages = s->anon_pages;
		c->exempt = t->extra[slot].exempt;
		c->is_newborn = 0;
		c->percent = t->extra[slot].percent;
		new->candidates++;
	}
	new->unprimed_pages = largest_unprimed(new, sampled);
	new->sampled_bytes = sampled_pages * 4096;
	new->hidden_bytes = (int64_t)anon_bytes - (int64_t) new->sampled_bytes;
	new->hidden_before_bytes = old->hidden_bytes;
	/* Who cannot be read at OOM is found as the unexplained is. */
	new->anon_bytes =
		anon_bytes > unprimed_pages * 4096 ? anon_bytes - unprimed_pages * 4096 : 0;
	view_switch(g);
	ranking_publish(g, &rank);
	return 1;
}

static int open_primed(int dir)
{
	char buf[16];
	int fd = pids_open(dir);

	if (fd >= 0)
		sys_pread(fd, buf, sizeof(buf), 0); /* once: the buffer is kept */
	return fd;
}

static uint32_t links_of(int dir)
{
	struct statx st;

	return sys_statx(dir, "", 0x1000 /* AT_EMPTY_PATH */, STATX_NLINK, &st) ? 0 : st.stx_nlink;
}

/* Which of those before it is its parent. */
static uint8_t above(const struct guarded *g, int dir)
{
	struct statx st = { 0 };
	uint8_t i = (uint8_t)g->groups;

	sys_statx(dir, "..", 0, STATX_INO, &st);
	while (i && tree_inode(g->dirs[i - 1]) != st.stx_ino)
		i--;
	return i ? i - 1 : 0;
}

/* That of the guard's own group is the memcg's. */
static void close_dir(const struct guarded *g, int dir)
{
	if (dir != g->memcg.dir)
		sys_close(dir);
}

static int add_group(int dir, void *arg)
{
	struct guarded *g = arg;
	uint32_t i = g->groups;
	int copy;

	if (i == GROUPS_MAX) {
		g->guard->unsampled_groups++;
		return 0;
	}
	copy = dir == g->memcg.dir ? dir : sys_fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return copy;
	g->tasks[i] = open_primed(dir);
	if (g->tasks[i] < 0) {
		g->is_incomplete |= g->tasks[i] != -ENOENT && g->tasks[i] != -ENODEV;
		close_dir(g, copy);
		return 0;
	}
	g->dirs[i] = copy;
	g->links[i] = links_of(dir);
	g->above[i] = above(g, dir);
	g->groups++;
	return 0;
}

/* The lists are the current view's, unless none was published since they were opened. */
static void close_groups(struct guarded *g)
{
	const struct view *now = &g->views[g->current];
	int is_published = now->groups && g->groups && now->tasks[0] == g->tasks[0];

	for (uint32_t i = 0; i < g->groups; i++) {
		close_dir(g, g->dirs[i]);
		if (!is_published)
			sys_close(g->tasks[i]);
	}
	g->groups = 0;
}

int view_refresh_groups(struct guarded *g)
{
	int changed = g->groups == 0;

	changed |= g->is_incomplete; /* there was no memory for one */
	for (uint32_t i = 0; i < g->groups && !changed; i++)
		changed = links_of(g->dirs[i]) != g->links[i];
	if (!changed || !view_retire(g))
		return 0;
	close_groups(g);
	g->guard->unsampled_groups = 0;
	g->is_incomplete = 0;
	add_group(g->memcg.dir, g);
	tree_walk(g->memcg.dir, add_group, g);
	return 1;
}

void view_close(struct guarded *g)
{
	const struct view *now = &g->views[g->current];

	__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
	view_retire(g);
	close_groups(g);
	for (uint32_t i = 0; i < now->candidates; i++) {
		close_if_open(now->candidate[i].pidfd);
		close_if_open(now->candidate[i].statm);
	}
	for (uint32_t i = 0; i < now->groups; i++)
		sys_close(now->tasks[i]);
}
