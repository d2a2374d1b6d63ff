/* SPDX-License-Identifier: MIT */
/* Walks, joins and removes cgroups by their directories. Opens files: for calm times, never for the event
 * path. */
#ifndef RPV_TREE_H
#define RPV_TREE_H

#include <stddef.h>
#include <stdint.h>

/* Called with each descendant's open directory, which is closed afterwards; non-zero stops the
 * walk. */
typedef int (*tree_visit)(int dir, void *arg);

/* Visits all below `dir` (not itself), parents first, at most TREE_DEPTH_MAX deep. 0, the visitor's
 * non-zero, or -errno. */
int tree_walk(int dir, tree_visit visit, void *arg);

/* Calls visit for each child directory of `dir`, by name; `depth` is handed on. Non-zero stops. */
typedef int (*tree_child)(int dir, const char *name, int depth, void *arg);
int tree_each_child(int dir, int depth, tree_child visit, void *arg);

/* The directory with this inode at `path` or, where that is another or none, beside it: a v1 group can be renamed
 * within its parent only. An inode of 0 is any. A descriptor or -errno. */
int tree_open(const char *path, uint64_t inode);
/* The inode of an open directory; 0 where it cannot be had. */
uint64_t tree_inode(int dir);
/* Its path, as the kernel prints it; empty where it cannot be had. */
void tree_path_of(int dir, char *path, size_t size);

/* Removes the empty groups below and at `path`, children first; what is busy stays. 0 or -errno
 * for `path`. */
int tree_remove(const char *path);

/* Moves this process into the cgroup of the directory. 0 or -errno. */
int tree_join(const char *dir);

#endif
