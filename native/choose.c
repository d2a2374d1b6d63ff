/* SPDX-License-Identifier: MIT */
/*
 * Hop 3b: whom to kill, with what was opened before. Opens nothing, allocates nothing.
 *
 * The primed candidates are read again, largest first, until nobody unread can hold more than the
 * best: what is read is taken off the group's usage. If the group has grown since the snapshot by
 * more than the best one holds, and those read do not explain it, then somebody else grew or was
 * born. (Growth, not sums: pages shared after a fork are counted in every process, charged once.)
 * Memory is touched with CPU time, and that can be read in a full group without opening anything:
 * the one who used most of it since is taken.
 */
#include "handler.h"
#include "log.h"
#include "pids.h"
#include "procfs.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

struct suspect {
	uint32_t pid; /* 0: none */
	uint64_t measure;
	struct table_known known;
};

/* A search among those not read. */
struct search {
	struct guarded *g;
	struct view *view;
	struct suspect
		largest; /* in pages, of those whom the sampler read first after the view was made */
	struct suspect busiest; /* in CPU time since */
	int newborn_only;	/* who is in the view is left alone */
	int err;
};

static void suspect(struct suspect *s, uint32_t pid, uint64_t measure,
		    const struct table_known *known)
{
	if (measure > s->measure)
		*s = (struct suspect){ pid, measure, *known };
}

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
	struct table_known known = { 0 };
	uint64_t cpu_ns;

	if (pid <= 1 || pid == r->agent_pid || was_tried(s->g, pid) || (c && !c->base_pages))
		return 0;
	for (int i = 0; i < ROLES; i++)
		if (pid == r->helpers[i].pid)
			return 0;
	if (sys_cpu_of_process_ns((int)pid, &cpu_ns))
		return 0;
	if (table_ask(&handler.table, s->g->index, pid, &known) == -EAGAIN) {
		s->err = -EAGAIN;
		return 1;
	}
	if (known.exempt || (s->newborn_only && known.in_view))
		return 0;
	suspect(&s->largest, pid, known.in_view ? 0 : known.pages, &known);
	/* Behind what was known: its pid was used again. */
	suspect(&s->busiest, pid, cpu_ns - (known.cpu_ns <= cpu_ns ? known.cpu_ns : 0), &known);
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
		role_wake_watchers();
		role_wake(FD_HANDLER); /* the sampler, should they be stopped */
		return 0;
	}
	if (shared_load(&g->guard->lists_read) != g->guard->lists_wanted &&
	    now_ns - r->lists_ns < LISTS_BOUND_MS * 1000000ull)
		return 0;
	r->lists_ns = 0;
	return 1;
}

/* Takes who was seen to hold most of it, else the one who used most CPU time. */
static int choose_unread(struct search *s, uint64_t unexplained_bytes, struct choice *choice)
{
	const struct suspect *best = &s->busiest;
	const struct candidate *c;

	if (!lists_are_fresh(s->g))
		return -EAGAIN;
	for (uint32_t i = 0; i < s->view->groups && !s->err; i++)
		pids_each(s->view->tasks[i], handler.respond_pids, PIDS_BYTES, visit_unread, s);
	if (s->err)
		return s->err;
	if (s->largest.measure * 4096 >= unexplained_bytes / 2)
		best = &s->largest;
	if (!best->pid)
		return -ESRCH;
	c = view_find(s->view, best->pid);
	*choice = (struct choice){ .pidfd = c ? c->pidfd : -1,
				   .pid = best->pid,
				   .evidence = EVIDENCE_UNEXPLAINED,
				   .bytes = unexplained_bytes,
				   .start_time = best->known.start_time };
	memcpy(choice->comm, best->known.comm, COMM_BYTES);
	return 0;
}

/* A large one that exits frees its memory by itself: nobody else need die. It may get no CPU for that, so it is
 * helped; and waited for within a bound, for a dead leader's threads may live on. */
static int is_exiting(struct guarded *g, const struct candidate *c)
{
	uint64_t since_ns = sys_now_ns() - g->response.begun_ns;

	if ((uint64_t)c->anon_pages * 4096 < KILL_MIN_BYTES || was_tried(g, c->pid) ||
	    sys_pidfd_dead(c->pidfd) || since_ns >= VICTIM_BOUND_MS * 1000000ull)
		return 0;
	if (since_ns >= HELP_AFTER_MS * 1000000ull && !g->response.is_helped &&
	    g->guard->flags & GUARD_ALLOW_KILL) {
		g->response.is_helped = 1;
		reaper_help(c->pidfd);
	}
	return 1;
}

/* What reading the primed has shown, in pages. */
struct reading {
	struct candidate *best;
	uint64_t best_pages;
	uint64_t left; /* of the group's usage: nobody unread can hold more */
	int64_t grown; /* by so much those read have grown since they were sampled */
};

/* Reads the primed again, largest first, until nobody unread can hold more than the best. */
static struct reading read_primed(struct search *s)
{
	struct reading r = { .left = s->g->room.usage_bytes / 4096 };

	for (uint32_t i = 0; i < s->view->candidates && r.best_pages < r.left; i++) {
		struct candidate *c = &s->view->candidate[i];
		uint32_t anon, pages;
		int err = procfs_anon_pages(c->statm, &anon);

		if (err) {
			if (is_exiting(s->g, c))
				s->err = -EAGAIN;
			r.grown -= c->anon_pages; /* gone */
			continue;
		}
		r.grown += (int64_t)anon - c->anon_pages;
		pages = rank_charged(anon, c->base_pages);
		r.left -= pages < r.left ? pages : r.left;
		if (pages > r.best_pages && !c->exempt && !was_tried(s->g, c->pid)) {
			r.best_pages = pages;
			r.best = c;
		}
	}
	return r;
}

/*
 * What the group holds that those read do not explain, in bytes: by how much it has grown since the
 * snapshot, and what it has that nobody sampled holds (children beyond GROUPS_MAX, processes of other pid
 * namespaces, what those who left have left charged). 0 where nobody unread can hold more than the best.
 */
static void find_unexplained(const struct search *s, const struct reading *r, int64_t *grown,
			     int64_t *hidden)
{
	uint64_t anon_bytes;

	*grown = *hidden = 0;
	if (r->best_pages >= r->left || memcg_anon(&s->g->memcg, &anon_bytes))
		return;
	*grown = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)s->view->anon_bytes;
	*hidden = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)s->view->sampled_bytes;
}

/*
 * Memory that no process holds who was sampled or read. Where it has stood there for longer, killing who is seen would
 * not help: the kernel sees them all. Else it may be a newborn's, where the snapshot counted that of somebody who was
 * just dying; or a dead one's still: whoever reads of it in /proc frees it in his own time.
 */
static int choose_hidden(struct search *s, int64_t best_bytes, uint64_t hidden_bytes,
			 struct choice *choice)
{
	const struct response *r = &s->g->response;
	int is_early = sys_now_ns() - r->progress_ns < VICTIM_BOUND_MS * 1000000ull;
	int err;

	if (s->view->hidden_before_bytes > best_bytes)
		return -ESRCH;
	if (r->victim != VICTIM_NONE && is_early)
		return -EAGAIN; /* the victim's */
	s->newborn_only = 1;
	err = choose_unread(s, hidden_bytes, choice);
	return err == -ESRCH && is_early ? -EAGAIN : err;
}

int choose_victim(struct guarded *g, struct choice *choice)
{
	struct search s = { .g = g, .view = &g->views[g->current] };
	struct reading r = read_primed(&s);
	int64_t best = (int64_t)r.best_pages * 4096, grown, hidden;

	if (s.err)
		return s.err;
	find_unexplained(&s, &r, &grown, &hidden);
	if (grown > best && grown >= KILL_MIN_BYTES)
		return choose_unread(&s, (uint64_t)grown, choice);
	if (hidden > best && hidden >= KILL_MIN_BYTES)
		return choose_hidden(&s, best, (uint64_t)hidden, choice);
	if (best < KILL_MIN_BYTES)
		return -ESRCH;
	*choice = (struct choice){ .pidfd = r.best->pidfd,
				   .pid = r.best->pid,
				   .evidence = EVIDENCE_LARGEST,
				   .bytes = (uint64_t)best,
				   .start_time = r.best->start_time };
	memcpy(choice->comm, r.best->comm, COMM_BYTES);
	return 0;
}
