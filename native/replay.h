/* SPDX-License-Identifier: MIT */
/* Whom other orders would have killed: by what is recorded of the processes, with what the sampler and the responder go by. Pure. */
#ifndef RPV_REPLAY_H
#define RPV_REPLAY_H

#include "rank.h"
#include "weigh.h"

/* A process at the moment of the choice. */
struct replayed {
	uint64_t start_time; /* clock ticks since boot */
	uint32_t pid;
	uint32_t uid;
	uint32_t pages;
	uint32_t grown; /* of them, in about the last second */
	int32_t oom_score_adj;
	uint32_t percent; /* out: its weight */
	char name[COMM_BYTES + 1];
	char reserved[7];
};

/* Their numbers, the first to be killed foremost, into `order`; returns how many may be killed, CANDIDATES_MAX at most. Rules by
 * program or group hold for nobody: neither is recorded. `w` may be NULL. */
uint32_t replay_rank(struct replayed *p, uint32_t n, enum rank_by by, const struct weighing *w,
		     uint32_t *order);

#endif
