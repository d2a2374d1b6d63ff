/* SPDX-License-Identifier: MIT */
/* What /proc says of one process. Parsing is pure; reading uses one bounded buffer on the
 * caller's stack. */
#ifndef RPV_PROCFS_H
#define RPV_PROCFS_H

#include "limits.h"
#include <stddef.h>
#include <stdint.h>

struct procfs_stat {
	uint64_t start_time; /* clock ticks since boot: with the pid, the identity of a process */
	int kernel_thread;
	uint32_t parent;
	char comm[COMM_BYTES]; /* zero-filled behind the name */
};

struct procfs_status {
	uint32_t
		uid; /* real: the directory is root's where a process does not let itself be dumped */
	/* pages */
	uint32_t resident;
	uint32_t tables;
	uint32_t file;
	uint32_t shmem;
	uint32_t swap;
};

enum { CLOCK_TICK_NS = 10000000 };

/* Was the process of that start time there then, on the boot clock? A pid that is another's later has one behind it, or
 * in the same tick: in so short a time no number comes round. */
static inline int procfs_was_there(uint64_t start_time, uint64_t then_ns)
{
	return start_time * CLOCK_TICK_NS < then_ns;
}

/* Opens /proc/PID; -ENOENT when there is none. */
int procfs_open(uint32_t pid);
int procfs_read_stat(int proc, struct procfs_stat *stat);
/* The same by pid, of the one field; 0 on error. */
int procfs_start_time(uint32_t pid, uint64_t *start_time);
int procfs_read_status(int proc, struct procfs_status *status);
/* The path of its program; empty where it cannot be read. */
void procfs_read_exe(int proc, char *exe, size_t size);
int procfs_read_oom_score_adj(int proc, int *adj);
/* Opens statm and reads it once, so that later reads need no memory. Where the leader is dead and threads
 * live on, its own says 0: then it is that of a thread. */
int procfs_open_statm(int proc);
/* resident - shared of an open statm: the anonymous pages. -ESRCH when the process is gone. */
int procfs_anon_pages(int statm, uint32_t *pages);
/* The same by pid, opening and closing. *thread: whether a thread had to answer for a dead leader. */
int procfs_anon_pages_of(uint32_t pid, uint32_t *pages, int *thread);

/* Which memory group (v2: which group) its leader is in, as a number that tells it from others. 0 or -errno. */
int procfs_group(uint32_t pid, int is_v2, char *buf, size_t size, uint32_t *group);
struct procfs_uids {
	uint32_t real;
	uint32_t saved;
};
int procfs_read_uids(uint32_t pid, struct procfs_uids *uids);
/* Opens a thread's wchan (proc(5)) and reads it once; does the thread sleep in the kernel function `symbol`? */
int procfs_open_wchan(uint32_t pid, uint32_t tid);
int procfs_sleeps_in(int wchan, const char *symbol);
/* Where a thread sleeps, terminated. 0 or -errno. Opens files. */
int procfs_read_wchan(uint32_t tid, char symbol[SYMBOL_BYTES]);
/* Does any thread of the process? Opens files: from outside the group. */
int procfs_any_sleeps_in(uint32_t pid, const char *symbol);

int procfs_parse_stat(const char *buf, long n, struct procfs_stat *stat);
int procfs_parse_group(const char *buf, long n, int is_v2, uint32_t *group);
int procfs_parse_statm(const char *buf, long n, uint32_t *anon_pages);

#endif
