/* SPDX-License-Identifier: MIT */
/*
 * Hop 3b: whom to kill, with what was opened before. Opens nothing, allocates nothing.
 *
 * The primed candidates are read again, largest first, until nobody unread can hold more than the
 * best: what is read is taken off the group's usage. If the group has grown since the snapshot by
 * more than the best one holds, and those read do not explain it, then somebody else grew or was
 * born (suspects.c). (Growth, not sums: pages shared after a fork are counted in every process, charged once.)
 */
#include "handler.h"
#include "procfs.h"
#include "rank.h"
#include "suspects.h"
#include "sys.h"

int response_has_tried(const struct response *response, uint32_t pid)
{
	for (uint32_t i = 0; i < response->tries; i++)
		if (response->tried[i] == pid)
			return 1;
	return pid == response->moved_pid;
}

/* A large one that exits frees its memory by itself: nobody else need die. It may get no CPU for that, so it is
 * helped; and waited for within a bound, for a dead leader's threads may live on. */
static int is_exiting(struct guarded *g, const struct candidate *c)
{
	uint64_t since_ns = sys_now_ns() - g->response.begun_ns;

	if ((uint64_t)c->anon_pages * 4096 < KILL_MIN_BYTES ||
	    response_has_tried(&g->response, c->pid) || sys_pidfd_dead(c->pidfd) ||
	    since_ns >= VICTIM_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull)
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
	int is_early;  /* a large one is about to free its own */
};

/* Reads the primed again, largest first, until nobody unread can hold more than the best. */
static struct reading read_primed(struct guarded *g, struct view *view)
{
	struct reading r = { .left = g->room.usage_bytes / 4096 };

	for (uint32_t i = 0; i < view->candidates && r.best_pages < r.left; i++) {
		struct candidate *c = &view->candidate[i];
		uint32_t anon, pages;
		int err = procfs_anon_pages(c->statm, &anon);

		if (err) {
			r.is_early |= is_exiting(g, c);
			r.grown -= c->anon_pages; /* gone */
			continue;
		}
		r.grown += (int64_t)anon - c->anon_pages;
		pages = rank_charged(anon, c->base_pages);
		r.left -= pages < r.left ? pages : r.left;
		if (pages > r.best_pages && !c->exempt &&
		    !response_has_tried(&g->response, c->pid)) {
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
static void find_unexplained(const struct guarded *g, const struct view *view,
			     const struct reading *r, int64_t *grown, int64_t *hidden)
{
	uint64_t anon_bytes = g->oom.anon_bytes;

	*grown = *hidden = 0;
	if (r->best_pages >= r->left || (!anon_bytes && memcg_anon(&g->memcg, &anon_bytes)))
		return;
	*grown = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)view->anon_bytes;
	*hidden = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)view->sampled_bytes;
}

/*
 * Memory that no process holds who was sampled or read. Where it has stood there for longer, killing who is seen would
 * not help: the kernel sees them all. Else it may be a newborn's, where the snapshot counted that of somebody who was
 * just dying; or a dead one's still: whoever reads of it in /proc frees it in his own time.
 */
static int choose_hidden(struct guarded *g, int64_t best_bytes, uint64_t hidden_bytes,
			 struct choice *choice)
{
	const struct response *r = &g->response;

	if (g->views[g->current].hidden_before_bytes > best_bytes)
		return -ESRCH;
	if (r->victim != VICTIM_NONE &&
	    sys_now_ns() - r->progress_ns <
		    VICTIM_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull)
		return -EAGAIN; /* the victim's */
	return suspects_choose(g, 1, hidden_bytes, choice);
}

int choose_victim(struct guarded *g, struct choice *choice)
{
	struct view *view = &g->views[g->current];
	struct reading r = read_primed(g, view);
	int64_t best = (int64_t)r.best_pages * 4096, grown, hidden;

	if (r.is_early)
		return -EAGAIN;
	find_unexplained(g, view, &r, &grown, &hidden);
	if (grown > best && grown >= KILL_MIN_BYTES) {
		int err = suspects_choose(g, 0, (uint64_t)grown, choice);

		/* Several may share what is unexplained, each with less than the best has. */
		if (err || choice->bytes >= (uint64_t)best)
			return err;
	} else if (hidden > best && hidden >= KILL_MIN_BYTES) {
		return choose_hidden(g, best, (uint64_t)hidden, choice);
	}
	if (best < KILL_MIN_BYTES)
		return -ESRCH;
	*choice = (struct choice){ .pidfd = r.best->pidfd,
				   .pid = r.best->pid,
				   .evidence = EVIDENCE_LARGEST,
				   .bytes = (uint64_t)best,
				   .start_time = r.best->start_time };
	suspects_name(g, choice);
	return 0;
}
