/* SPDX-License-Identifier: MIT */
/* Hop 4b: what becomes of a group that was handed over. */
#ifndef RPV_HANDED_H
#define RPV_HANDED_H

#include "watcher.h"

/* From now on the group is the kernel's. In the region, for who takes over in the middle: or each would begin anew. */
void handed_begin(struct watched *w, uint64_t now_ns);
/*
 * v2, and the kernel may kill: is the group in OOM all the same? To be full is none, the kernel kills where a charge fails. It
 * is where that found nobody to kill, and while those that slept when it was handed over may still sleep.
 */
int handed_is_in_oom(struct watched *w, const struct memcg_oom *oom, const struct memcg_room *room,
		     uint64_t now_ns);
/*
 * Still in OOM: for too long? On v2 the kernel may be unable to end it: there is no memory.max, or memory goes round without
 * end. Then the kill is made here, by the kernel's rule, one after the other.
 */
int handed_is_overdue(struct watched *w, const struct memcg_room *room, uint64_t now_ns);

#endif
