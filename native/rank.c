/* SPDX-License-Identifier: MIT */
/* Who is most worth a kill. */
#include "rank.h"

uint32_t rank_charged(uint32_t anon_pages, uint32_t base_pages)
{
	return anon_pages > base_pages ? anon_pages - base_pages : 0;
}

static uint64_t first_of(enum rank_by by, const struct rank_facts *f)
{
	switch (by) {
	case RANK_NEWEST:
		return f->start_time;
	case RANK_FASTEST:
		return (uint64_t)f->grown * f->percent + 1;
	case RANK_WEIGHT:
		return f->percent;
	default:
		return (uint64_t)f->pages * f->percent;
	}
}

struct rank_key rank_key(enum rank_by by, const struct rank_facts *f)
{
	int is_last = !f->percent || f->pages < KILL_MIN_BYTES / 4096;

	return (struct rank_key){ is_last ? 0 : first_of(by, f), f->pages };
}

int rank_is_before(struct rank_key a, struct rank_key b)
{
	return a.first != b.first ? a.first > b.first : a.pages > b.pages;
}

void rank_offer(struct rank *rank, uint32_t slot, struct rank_key key)
{
	uint32_t i;

	if (rank->n == CANDIDATES_MAX) {
		if (!rank_is_before(key, rank->best[rank->n - 1].key))
			return;
	} else {
		rank->n++;
	}
	for (i = rank->n - 1; i && rank_is_before(key, rank->best[i - 1].key); i--)
		rank->best[i] = rank->best[i - 1];
	rank->best[i].slot = slot;
	rank->best[i].key = key;
}
