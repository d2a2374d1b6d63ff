/* SPDX-License-Identifier: MIT */
/* Hop 4b: what becomes of a group that was handed over. */
#ifndef RPV_HANDED_H
#define RPV_HANDED_H

#include "watcher.h"

/* v2: who sleeps over memory.high when it is lifted, sleeps on: until the kernel has killed, or they have slept out and grown,
 * nobody knows whether that was relief. */
int handed_sleeps_out(const struct watched *w, uint32_t kernel_kills, uint64_t now_ns);
/*
 * Still in OOM: for too long? On v2 the kernel may be unable to end it: there is no memory.max, or memory goes round without
 * end. Then the kill is made here, by the kernel's rule, one after the other.
 */
int handed_is_overdue(struct watched *w, const struct memcg_room *room, uint64_t now_ns);

#endif
