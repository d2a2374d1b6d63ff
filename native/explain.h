/* SPDX-License-Identifier: MIT */
/* What is known of a guard's processes, and why each is or is not one that would be killed: by the region alone, with what the
 * sampler and the responder go by. */
#ifndef RPV_EXPLAIN_H
#define RPV_EXPLAIN_H

#include "region.h"

enum explain_why {
	WHY_CANDIDATE = 0, /* it may be killed; the first goes first */
	WHY_ELSEWHERE =
		1, /* its leader, where its memory is charged, is in none of the guard's groups */
	WHY_INIT = 2,	    /* pid 1 */
	WHY_OURS = 3,	    /* reprieve's own */
	WHY_UNKILLABLE = 4, /* oom_score_adj is -1000 */
	WHY_KERNEL = 5,	    /* a kernel thread */
	WHY_BROUGHT = 6,    /* it has brought along what it holds */
	WHY_SMALL = 7,	    /* less than KILL_MIN_BYTES is charged here */
	WHY_BEYOND = 8,	    /* CANDIDATES_MAX others come before it: not primed */
	WHY_UNREAD = 9,	    /* seen, and not read yet */
};

struct explained {
	uint64_t start_time; /* clock ticks since boot */
	uint32_t pid;
	uint32_t uid;
	uint32_t anon_pages;
	uint32_t base_pages; /* of them brought along */
	uint32_t score_pages;
	uint32_t why; /* enum explain_why */
	int16_t oom_score_adj;
	uint16_t group;	      /* 0: the guard's own, else a descendant */
	uint32_t percent;     /* its weight, by "prefer" and "avoid" */
	uint32_t grown_pages; /* in about the last second, where a guard has orders of its own */
	uint32_t reserved;
	char comm[COMM_BYTES];
};

/* Candidates first, the best of them foremost; then the others, as they come. Returns how many there are, `most` at most. */
uint32_t explain(const struct region *region, uint32_t guard, struct explained *out, uint32_t most);

#endif
