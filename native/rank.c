/* SPDX-License-Identifier: MIT */
/* Who is most worth a kill. */
#include "rank.h"

uint32_t rank_charged(uint32_t anon_pages, uint32_t base_pages)
{
	return anon_pages > base_pages ? anon_pages - base_pages : 0;
}

void rank_offer(struct rank *rank, uint32_t slot, uint32_t pages)
{
	uint32_t i;

	if (rank->n == CANDIDATES_MAX) {
		if (pages <= rank->best[rank->n - 1].pages)
			return;
	} else {
		rank->n++;
	}
	for (i = rank->n - 1; i && rank->best[i - 1].pages < pages; i--)
		rank->best[i] = rank->best[i - 1];
	rank->best[i].slot = slot;
	rank->best[i].pages = pages;
}
