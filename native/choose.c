/* SPDX-License-Identifier: MIT */
/*
 * Hop 3b: whom to kill, with what was opened before. Opens nothing, allocates nothing.
 *
 * The primed candidates are read again, largest first, until nobody unread can hold more than the
 * best: what is read is taken off the group's usage. If the group's own count of anonymous memory
 * leaves more unexplained than the best one holds (by those read, and by what the others held at
 * the last snapshot), somebody grew or was born since the last snapshot. Memory is touched with
 * CPU time, and that can be read in a full group without opening anything: the one who used most
 * of it since is taken.
 */
#include "handler.h"
#include "log.h"
#include "pids.h"
#include "procfs.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

/* A search among those not read. */
struct search {
	struct guarded *g;
	struct view *view;
	uint32_t best_pid;
	uint64_t best_cpu_ns;
	int err;
};

static int was_tried(const struct guarded *g, uint32_t pid)
{
	for (uint32_t i = 0; i < g->response.tries; i++)
		if (g->response.tried[i] == pid)
			return 1;
	return 0;
}

/* A thread that leads no process has no process clock: the leaders remain. */
static int visit_unread(uint32_t pid, void *arg)
{
	struct search *s = arg;
	const struct region *r = handler.self.region;
	const struct candidate *c = view_find(s->view, pid);
	uint64_t cpu_ns;
	int64_t before;

	if (pid <= 1 || pid == r->agent_pid || was_tried(s->g, pid) || (c && !c->base_pages))
		return 0;
	for (int i = 0; i < ROLES; i++)
		if (pid == r->helpers[i].pid)
			return 0;
	if (sys_cpu_of_process_ns((int)pid, &cpu_ns))
		return 0;
	before = table_cpu_ns_of(&handler.table, pid);
	if (before == -EAGAIN) {
		s->err = -EAGAIN;
		return 1;
	}
	if (before > 0)
		cpu_ns -= (uint64_t)before;
	if (cpu_ns > s->best_cpu_ns) {
		s->best_cpu_ns = cpu_ns;
		s->best_pid = pid;
	}
	return 0;
}

/* The lists that are open may be a second old: a watcher, which is never in a full group, reads
 * them anew. */
static int lists_are_fresh(struct guarded *g)
{
	struct response *r = &g->response;
	uint64_t now_ns = sys_now_ns();

	if (!r->lists_ns) {
		r->lists_ns = now_ns;
		shared_store(&g->guard->lists_wanted, g->guard->lists_wanted + 1);
		role_wake(FD_WATCHDOG);
		role_wake(FD_SPARE);
		return 0;
	}
	if (shared_load(&g->guard->lists_read) != g->guard->lists_wanted &&
	    now_ns - r->lists_ns < LISTS_BOUND_MS * 1000000ull)
		return 0;
	r->lists_ns = 0;
	return 1;
}

/* Takes the one of those not read that used most CPU time. */
static int choose_unread(struct search *s, uint64_t unexplained_bytes, struct choice *choice)
{
	struct candidate *c;

	if (!lists_are_fresh(s->g))
		return -EAGAIN;
	for (uint32_t i = 0; i < s->view->groups && !s->err; i++)
		pids_each(s->view->tasks[i], handler.respond_pids, PIDS_BYTES, visit_unread, s);
	if (s->err)
		return s->err;
	if (!s->best_pid)
		return -ESRCH;
	c = view_find(s->view, s->best_pid);
	*choice = (struct choice){ .pidfd = c ? c->pidfd : -1,
				   .pid = s->best_pid,
				   .evidence = EVIDENCE_UNEXPLAINED,
				   .bytes = unexplained_bytes };
	if (c)
		memcpy(choice->comm, c->comm, COMM_BYTES);
	return 0;
}

/* The largest of the primed, read now. *left: pages of the group's usage that those read do not
 * explain. */
static struct candidate *choose_primed(struct search *s, uint64_t *left, uint32_t *best_pages)
{
	struct candidate *best = NULL;

	*best_pages = 0;
	for (uint32_t i = 0; i < s->view->candidates && *best_pages < *left; i++) {
		struct candidate *c = &s->view->candidate[i];
		uint32_t anon, pages;

		if (procfs_anon_pages(c->statm, &anon))
			continue;
		pages = rank_charged(anon, c->base_pages);
		*left -= pages < *left ? pages : *left;
		if (pages > *best_pages && !c->exempt && !was_tried(s->g, c->pid)) {
			*best_pages = pages;
			best = c;
		}
	}
	return best;
}

int choose_victim(struct guarded *g, struct choice *choice)
{
	struct search s = { .g = g, .view = &g->views[g->current] };
	struct candidate *best;
	uint64_t left, explained_bytes, anon_bytes;
	uint32_t pages;
	int err;

	left = g->room.usage_bytes / 4096;
	best = choose_primed(&s, &left, &pages);
	explained_bytes = g->room.usage_bytes - left * 4096 + s.view->others_pages * 4096;
	if (pages < left && !memcg_anon(&g->memcg, &anon_bytes) &&
	    anon_bytes > explained_bytes + (uint64_t)pages * 4096 &&
	    anon_bytes - explained_bytes >= KILL_MIN_BYTES) {
		err = choose_unread(&s, anon_bytes - explained_bytes, choice);
		if (err != -ESRCH)
			return err;
	}
	if (!best || (uint64_t)pages * 4096 < KILL_MIN_BYTES)
		return -ESRCH;
	*choice = (struct choice){ .pidfd = best->pidfd,
				   .pid = best->pid,
				   .evidence = EVIDENCE_LARGEST,
				   .bytes = (uint64_t)pages * 4096,
				   .start_time = best->start_time };
	memcpy(choice->comm, best->comm, COMM_BYTES);
	return 0;
}
