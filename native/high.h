/* SPDX-License-Identifier: MIT */
/* Hop 4c, cgroup v2: what memory.high is to be while we hold a group, and the way there. */
#ifndef RPV_HIGH_H
#define RPV_HIGH_H

#include "watcher.h"

/*
 * The owner's. May the group be held now? Finds out where memory.high has to be: a margin below memory.max, or where the
 * group's owner has put it, if that is lower. Where the group is above it, writing would block in reclaim, and holding would
 * punish it for what is in it already: then not yet, and guard->room_wanted says what has to go first, where that can go.
 */
int high_may_hold(struct watched *w, const struct memcg_oom *oom, const struct memcg_room *room);
/* Puts it down, in the region and in the ledger, before it is written. 0 or -errno. */
int high_record(struct watched *w);

/* Slow work of the watcher that does not own the switch, for the write may take a second: has room_wanted bytes reclaimed. */
int high_wants_room(const struct watched *w);
void high_make_room(struct watched *w);

/* Has every write of memory.high and memory.max show in high_events(): systemd writes them at daemon-reload. */
void high_watch(struct watched *w);
void high_unwatch(struct watched *w);
int high_events(void);
/* Marks whose were written. */
void high_take_events(void);

#endif
