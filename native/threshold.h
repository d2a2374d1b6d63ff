/* SPDX-License-Identifier: MIT */
/*
 * Hop 4a: thresholds at the margin of v1, by which a watcher hears that a group comes near. To set one waits for an RCU grace
 * period, in which another group may run full: so threads do it, many within the same period, and the watcher goes on.
 *
 * After arming, and when the group's owner has changed its limit. Until it stands the group counts as inside the margin. An
 * older threshold stays until the guard is released: one event too many is harmless.
 */
#ifndef RPV_THRESHOLD_H
#define RPV_THRESHOLD_H

#include "watcher.h"

void threshold_start(uint32_t guards_max);
/* Takes those that are set. */
void threshold_take(uint64_t now_ns);
/* Has one set where one lacks. Returns in how many ms to look again, -1: at the next event. */
int threshold_see_to(struct watched *w, uint64_t now_ns);
/* The guard is let go: what is being set for it is nothing to who comes there next. */
void threshold_forget(struct watched *w);
/* The limit under which this watcher's stands; 0: none does. */
uint64_t *threshold_limit(const struct watched *w);

#endif
