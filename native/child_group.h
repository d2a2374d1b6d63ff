/* SPDX-License-Identifier: MIT */
/* The children of a guarded group, and who lives in them. Opens files, walks trees: a watcher's. */
#ifndef RPV_CHILD_GROUP_H
#define RPV_CHILD_GROUP_H

#include "region.h"

/* Who lives in a group and below it. */
struct census {
	const struct region *region;
	uint32_t wanted; /* a pid */
	uint32_t processes;
	int has_wanted;
	int has_ours; /* the agent, or a helper: the group is left alone */
};

struct census child_group_census(int dir, const struct region *region, uint32_t wanted);
/* A descriptor of the child directly below `dir` in which pid lives, or below that; -ESRCH: in none. */
int child_group_of(int dir, const struct region *region, uint32_t pid);
/* Of the one that holds the most: *bytes. v2. -ENOENT: there is none. */
int child_group_largest(int dir, uint64_t *bytes);
/* Kills everybody in the group at `dir` and below; *processes: so many. v2: all at once, those at -1000 too. 0 or -errno; -EPERM:
 * one of ours is among them. */
int child_group_kill(int dir, const struct region *region, uint32_t *processes);

#endif
