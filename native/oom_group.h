/* SPDX-License-Identifier: MIT */
/* Hop 3b, cgroup v2: who goes with the victim, where memory.oom.group says that a group is killed as a whole. */
#ifndef RPV_OOM_GROUP_H
#define RPV_OOM_GROUP_H

#include "handler.h"

/* The sampler's: reads memory.oom.group of the guard's groups. */
void oom_group_read(struct guarded *g);

/* The group that goes with pid: the outermost, up to the guard's, that has memory.oom.group; 0: none. To be asked before
 * pid is killed: who is dying is in no list. */
uint32_t oom_group_of(struct guarded *g, uint32_t pid);
/* Kills the processes of response.whole, but for those whom the kernel spares (-1000) and ours; again at each tick, until
 * everybody has been met, and told. */
void oom_group_kill(struct guarded *g);

#endif
