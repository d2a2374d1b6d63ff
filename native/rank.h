/* SPDX-License-Identifier: MIT */
/* Who is most worth a kill: the largest by charged anonymous memory. Pure. */
#ifndef RPV_RANK_H
#define RPV_RANK_H

#include "limits.h"
#include <stdint.h>

struct rank {
	uint32_t n;
	struct {
		uint32_t slot; /* whatever the caller numbers processes by */
		uint32_t pages;
	} best[CANDIDATES_MAX]; /* largest first */
};

/* Anonymous pages charged here: less what it held when it moved in, which stays charged where
 * it came from. */
uint32_t rank_charged(uint32_t anon_pages, uint32_t base_pages);
/* Offers one process; kept while it is among the CANDIDATES_MAX largest. */
void rank_offer(struct rank *rank, uint32_t slot, uint32_t pages);

#endif
