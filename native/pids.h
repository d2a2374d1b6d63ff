/* SPDX-License-Identifier: MIT */
/* Reads cgroup.procs and tasks: numbers, one a line, ascending. Bounded; allocates nothing. */
#ifndef RPV_PIDS_H
#define RPV_PIDS_H

#include <stddef.h>
#include <stdint.h>

/* Called with each pid; non-zero stops. */
typedef int (*pids_visit)(uint32_t pid, void *arg);

/*
 * Calls visit for every pid of an open list, through `buf` (locked, used for one list at a time).
 * Zeros, which stand for processes of other pid namespaces, are passed over. 0, the visitor's
 * non-zero, or -errno.
 *
 * A v1 list that was read before is served from a copy that the kernel keeps until a second after
 * its last use, by whomever (cgroup_pidlist_start, kernel/cgroup/cgroup-v1.c): only a fresh
 * descriptor's first read makes it anew, for all readers. So whoever needs it as it is now reads
 * it through pids_each_now(), which opens.
 */
int pids_each(int list, char *buf, size_t size, pids_visit visit, void *arg);
/* The same of DIR/name, opened for it: for calm times. */
int pids_each_now(int dir, const char *name, char *buf, size_t size, pids_visit visit, void *arg);

/* Opens the list of all tasks of a group of v1; on v2, where a process has all its threads in one group that has memory,
 * that of its processes. */
int pids_open(int dir);
/* Has the kernel list the tasks of `dir` and of its descendants anew, for all who read them. 0, or -errno: in a full
 * group it cannot be done. */
int pids_refresh(int dir);

/* Is any process in `dir` or below? */
int pids_any(int dir);

#endif
