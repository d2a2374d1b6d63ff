/* SPDX-License-Identifier: MIT */
/* Whom other orders would have killed. */
#include "replay.h"
#include <stddef.h>

uint32_t replay_rank(struct replayed *p, uint32_t n, enum rank_by by, const struct weighing *w,
		     uint32_t *order)
{
	struct rank rank = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct weighed weighed = {
			.name = p[i].name, .exe = "", .cgroup = "", .uid = p[i].uid
		};
		struct rank_facts facts = { .start_time = p[i].start_time,
					    .pages = p[i].pages,
					    .grown = p[i].grown };

		p[i].percent = w ? weigh_process(w, &weighed) : WEIGH_EVEN;
		facts.percent = p[i].percent;
		if (p[i].pid > 1 && p[i].oom_score_adj != -1000 &&
		    p[i].pages >= KILL_MIN_BYTES / 4096)
			rank_offer(&rank, i, rank_key(by, &facts));
	}
	for (uint32_t i = 0; i < rank.n; i++)
		order[i] = rank.best[i].slot;
	return rank.n;
}
