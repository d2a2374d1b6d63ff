/* SPDX-License-Identifier: MIT */
/* Who is most worth a kill. Pure: the sampler ranks by it, the responder compares by it, and `core.so` tells the agent. */
#ifndef RPV_RANK_H
#define RPV_RANK_H

#include "limits.h"
#include <stdint.h>

/* By what. */
enum rank_by {
	RANK_LARGEST = 0, /* charged anonymous memory */
	RANK_NEWEST = 1,  /* started last */
	RANK_FASTEST = 2, /* grown most in about the last second */
	RANK_WEIGHT = 3,  /* its weight, whatever it holds */
	RANKS = 4,
};

/* Of a process. */
struct rank_facts {
	uint64_t start_time; /* UINT64_MAX: born since the last look */
	uint32_t pages;	     /* charged */
	uint32_t grown;	     /* so many of them in about the last second */
	uint32_t percent;    /* its weight (weigh.h) */
};

/* Compared one after the other. Who is not worth a kill, or has weight 0, has 0 first. */
struct rank_key {
	uint64_t first;
	uint64_t pages;
};

struct rank {
	uint32_t n;
	struct {
		struct rank_key key;
		uint32_t slot;	/* whatever the caller numbers processes by */
	} best[CANDIDATES_MAX]; /* the most worth first */
};

/* Anonymous pages charged here: less what it held when it moved in, which stays charged where
 * it came from. */
uint32_t rank_charged(uint32_t anon_pages, uint32_t base_pages);
struct rank_key rank_key(enum rank_by by, const struct rank_facts *facts);
int rank_is_before(struct rank_key a, struct rank_key b);
/* Offers one process; kept while it is among the first CANDIDATES_MAX. */
void rank_offer(struct rank *rank, uint32_t slot, struct rank_key key);

#endif
