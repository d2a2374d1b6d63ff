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
		reaper_help(c->pid, c->pidfd);
	}
	return 1;
}

/* What reading the primed has shown, in pages. */
struct reading {
	struct candidate *best;
	struct rank_key best_key;
	uint64_t best_pages;
	uint64_t most_pages; /* that anybody holds who may be chosen */
	uint64_t left;	     /* of the group's usage: nobody unread can hold more */
	int64_t grown;	     /* by so much those read have grown since they were sampled */
	int is_early;	     /* a large one is about to free its own */
};

struct rank_key choose_key_of_unread(const struct view *view, uint64_t pages)
{
	uint32_t most = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
	struct rank_facts facts = { UINT64_MAX, most, most, view->most_percent };

	return rank_key((enum rank_by)view->by, &facts);
}

static struct rank_key key_of(struct guarded *g, const struct candidate *c, uint32_t pages)
{
	enum rank_by by = (enum rank_by)view_now(g)->by;
	struct rank_facts facts = { c->start_time, pages, 0, c->percent };
	struct table_known known = { 0 };

	if (by == RANK_FASTEST)
		table_ask(&handler.table, g->index, c->pid, &known);
	facts.grown = pages > known.past_pages ? pages - known.past_pages : 0;
	return rank_key(by, &facts);
}

/* By how much the group has grown by it since it was sampled. What a newborn has inherited is its parent's too, and stays
 * charged when the newborn ends or becomes another program. */
static int64_t growth_of(const struct candidate *c, uint32_t anon)
{
	int64_t grown = (int64_t)anon - c->anon_pages;

	return c->is_newborn && grown < 0 ? 0 : grown;
}

/* Reads the primed again, the first first, until nobody unread can come before the best. */
static struct reading read_primed(struct guarded *g, struct view *view)
{
	struct reading r = { .left = g->room.usage_bytes / 4096 };

	for (uint32_t i = 0;
	     i < view->candidates && rank_is_before(choose_key_of_unread(view, r.left), r.best_key);
	     i++) {
		struct candidate *c = &view->candidate[i];
		uint32_t anon, pages, own; /* of them nobody else's */
		int err = procfs_anon_pages(c->statm, &anon);
		struct rank_key key;

		if (err) {
			r.is_early |= is_exiting(g, c);
			r.grown += growth_of(c, 0); /* gone */
			continue;
		}
		r.grown += growth_of(c, anon);
		pages = rank_charged(anon, c->base_pages);
		own = c->is_newborn ? rank_charged(pages, c->anon_pages) : pages;
		r.left -= own < r.left ? own : r.left;
		if (c->exempt || response_has_tried(&g->response, c->pid))
			continue;
		if (pages > r.most_pages)
			r.most_pages = pages;
		key = key_of(g, c, pages);
		if (rank_is_before(key, r.best_key)) {
			r.best_pages = pages;
			r.best_key = key;
			r.best = c;
		}
	}
	return r;
}

/*
 * What the group holds that those read do not explain, in bytes: by how much it has grown since the
 * snapshot, and what it has that nobody sampled holds (children beyond GROUPS_MAX, processes of other pid
 * namespaces, what those who have left have left charged). 0 where nobody unread can come before the best.
 */
static void find_unexplained(const struct guarded *g, const struct view *view,
			     const struct reading *r, int64_t *grown, int64_t *hidden)
{
	uint64_t anon_bytes = g->oom.anon_bytes;

	*grown = *hidden = 0;
	if (!rank_is_before(choose_key_of_unread(view, r->left), r->best_key) ||
	    (!anon_bytes && memcg_anon(&g->memcg, &anon_bytes)))
		return;
	*grown = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)view->anon_bytes;
	/* Who gave all back between his own sample and the group's count would count twice. */
	if (*grown > (int64_t)r->left * 4096)
		*grown = (int64_t)r->left * 4096;
	*hidden = (int64_t)anon_bytes - r->grown * 4096 - (int64_t)view->sampled_bytes;
}

/*
 * Memory that no process holds who was sampled or read. Where it has stood there for longer, killing who is seen would
 * not help: the kernel sees them all. Else it may be a newborn's, where the snapshot counted that of somebody who was
 * just dying; or a dead one's still: whoever reads of it in /proc frees it in his own time.
 */
static int choose_hidden(struct guarded *g, int64_t most_bytes, uint64_t hidden_bytes,
			 struct choice *choice)
{
	const struct response *r = &g->response;

	if (view_now(g)->hidden_before_bytes > most_bytes)
		return -ESRCH;
	if (r->victim != VICTIM_NONE &&
	    sys_now_ns() - r->progress_ns <
		    VICTIM_BOUND_MS * memcg_patience(&g->memcg) * 1000000ull)
		return -EAGAIN; /* the victim's */
	return suspects_choose(g, 1, hidden_bytes, choice);
}

static uint32_t evidence_of(const struct view *view)
{
	static const uint8_t evidence[RANKS] = { EVIDENCE_LARGEST, EVIDENCE_NEWEST,
						 EVIDENCE_FASTEST, EVIDENCE_WEIGHT };

	return evidence[view->by];
}

int choose_victim(struct guarded *g, struct choice *choice)
{
	struct view *view = view_now(g);
	struct reading r = read_primed(g, view);
	uint64_t most_pages =
		r.most_pages > view->unprimed_pages ? r.most_pages : view->unprimed_pages;
	int64_t most = (int64_t)most_pages * 4096, grown, hidden;

	if (r.is_early)
		return -EAGAIN;
	find_unexplained(g, view, &r, &grown, &hidden);
	if (grown >= KILL_MIN_BYTES &&
	    rank_is_before(choose_key_of_unread(view, (uint64_t)grown / 4096), r.best_key)) {
		int err = suspects_choose(g, 0, grown > most ? (uint64_t)grown : 0, choice);

		if (err && (err == -EAGAIN || grown > most))
			return err;
		/* Several may share what is unexplained, each with less than the best has. */
		if (!err && rank_is_before(choice->key, r.best_key))
			return 0;
	} else if (hidden > most && hidden >= KILL_MIN_BYTES) {
		return choose_hidden(g, most, (uint64_t)hidden, choice);
	}
	if (r.best_pages * 4096 < KILL_MIN_BYTES)
		return -ESRCH;
	*choice = (struct choice){ .pidfd = r.best->pidfd,
				   .pid = r.best->pid,
				   .evidence = evidence_of(view),
				   .bytes = r.best_pages * 4096,
				   .key = r.best_key,
				   .start_time = r.best->start_time };
	suspects_name(g, choice);
	return 0;
}

int choose_sampled(struct guarded *g, struct choice *choice)
{
	struct view *view = view_now(g);
	const struct candidate *first = NULL;

	for (uint32_t i = 0; i < view->candidates && !first; i++)
		if (!view->candidate[i].exempt)
			first = &view->candidate[i];
	if (!first)
		return -ESRCH;
	*choice = (struct choice){ .pidfd = first->pidfd,
				   .pid = first->pid,
				   .evidence = evidence_of(view),
				   .bytes = rank_charged(first->anon_pages, first->base_pages) *
					    4096ull,
				   .start_time = first->start_time };
	suspects_name(g, choice);
	return 0;
}
