/* SPDX-License-Identifier: MIT */
/* Hop 2c, between two scans: one candidate more, or less. The rest of the view stands as it was sampled. */
#include "handler.h"
#include "log.h"
#include "rank.h"
#include "sys.h"

/* A copy of the current one; NULL while the responder may use the other. */
static struct view *copy(struct guarded *g)
{
	struct view *new = &g->views[!g->current];

	if (!view_retire(g))
		return NULL;
	*new = g->views[g->current];
	return new;
}

/* A free place, else the last in rank's, else the oldest newborn's. */
static struct candidate *place_in(struct view *view)
{
	struct candidate *last = &view->candidate[CANDIDATES_MAX - 1], *oldest = last;
	uint32_t newborns = 0;

	if (view->candidates < CANDIDATES_MAX)
		return &view->candidate[view->candidates++];
	for (struct candidate *c = last; c >= view->candidate; c--) {
		if (!c->is_newborn)
			return newborns < NEWBORN_PLACES ? c : oldest;
		newborns++;
		if (c->start_time < oldest->start_time)
			oldest = c;
	}
	return oldest;
}

/* One that gives its place away is unprimed from now on. */
static void leave_out(struct view *view, const struct candidate *c)
{
	uint32_t pages = rank_charged(c->anon_pages, c->base_pages);

	if (pages > view->unprimed_pages)
		view->unprimed_pages = pages;
}

void view_add(struct guarded *g, uint16_t slot, uint32_t inherited_pages)
{
	struct snapshot *s = &handler.table.latest[slot];
	struct table_extra *e = &handler.table.extra[slot];
	struct view *new = copy(g);
	struct candidate c = { .is_newborn = 1, .percent = e->percent }, *place;

	if (!new)
		return;
	if (view_find(new, s->pid) || view_prime(&c, s)) {
		*new = (struct view){ 0 };
		return;
	}
	c.base_pages = e->base_pages;
	c.anon_pages = inherited_pages < s->anon_pages ? inherited_pages : s->anon_pages;
	place = place_in(new);
	leave_out(new, place);
	*place = c;
	if (c.percent > new->most_percent)
		new->most_percent = c.percent;
	e->cpu_ns = e->read_cpu_ns;
	view_switch(g);
}

void view_disinherit(struct guarded *g, uint32_t pid)
{
	struct candidate *c = view_find(&g->views[g->current], pid);

	if (c && c->is_newborn)
		shared_store(&c->anon_pages, 0);
}

void view_drop(struct guarded *g, uint32_t pid)
{
	struct view *new = copy(g);
	struct candidate *c = new ? view_find(new, pid) : NULL;

	if (c) {
		*c = new->candidate[--new->candidates];
		view_switch(g);
	} else if (new) {
		*new = (struct view){ 0 };
	}
}
