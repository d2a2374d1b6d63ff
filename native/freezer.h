/* SPDX-License-Identifier: MIT */
/* cgroup v2: a child of a guarded group that stands still while an incident lasts. Opens files: a watcher's, and release's. */
#ifndef RPV_FREEZER_H
#define RPV_FREEZER_H

#include <stdint.h>

/* Freezes the group at `dir`, or thaws it. 0; -EALREADY: it is frozen, by its owner's will; -errno. */
int freezer_freeze(int dir);
int freezer_thaw(int dir);
/* Thaws the child of `dir` with that inode; one that is gone needs nothing. 0 or -errno. */
int freezer_thaw_child(int dir, uint64_t inode);

#endif
