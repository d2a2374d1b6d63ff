/* SPDX-License-Identifier: MIT */
/* A kill as the kernel's OOM killer would make it: mm/oom_kill.c of Linux 6.1 to 6.18. */
#include "kernel_rule.h"
#include "pids.h"
#include "procfs.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum { IMMUNE = -1000, ADJ_SCALE = 1000 };

struct search {
	int64_t limit_pages;
	int64_t most; /* points of the one chosen */
	uint32_t pid; /* 0: nobody */
	int dir;      /* its group */
	int group;    /* being searched */
	uint64_t pages;
	int err; /* of the killing of a whole group */
};

static char list[PIDS_BYTES];

static int64_t points_of(const struct search *s, const struct procfs_status *status, int adj)
{
	int64_t pages = (int64_t)status->resident + status->swap + status->tables;

	return pages + (int64_t)adj * (s->limit_pages / ADJ_SCALE);
}

static int weigh(uint32_t pid, void *arg)
{
	struct search *s = arg;
	struct procfs_status status;
	int proc = procfs_open(pid), adj;
	int64_t points;

	if (proc < 0)
		return 0;
	if (!procfs_read_oom_score_adj(proc, &adj) && adj != IMMUNE &&
	    !procfs_read_status(proc, &status) && status.resident) {
		points = points_of(s, &status, adj);
		if (!s->pid || points > s->most) {
			s->most = points;
			s->pid = pid;
			s->pages = (uint64_t)status.resident + status.swap;
			s->dir = s->group;
		}
	}
	sys_close(proc);
	return 0;
}

/* The descriptor of a group is the walk's: that of the one chosen is kept. */
static int search_group(int dir, void *arg)
{
	struct search *s = arg;
	int before = s->dir;

	s->group = dir;
	pids_each_now(dir, "cgroup.procs", list, sizeof(list), weigh, s);
	if (s->dir == before)
		return 0;
	s->dir = sys_fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (before >= 0)
		sys_close(before);
	return 0;
}

/* The outermost, up to the group at OOM, that has memory.oom.group; -1: none has. A descriptor of its own. */
static int outermost_whole(int victim, int domain)
{
	uint64_t end = tree_inode(domain);
	int found = -1, at = sys_fcntl(victim, F_DUPFD_CLOEXEC, 0);

	for (int depth = 0; at >= 0 && depth <= TREE_DEPTH_MAX; depth++) {
		int above = tree_inode(at) == end ? -1
						  : sys_openat(at, "..", O_RDONLY | O_DIRECTORY, 0);

		if (memcg_is_whole(at)) {
			if (found >= 0)
				sys_close(found);
			found = at;
		} else {
			sys_close(at);
		}
		at = above;
	}
	return found;
}

static int kill_member(uint32_t pid, void *arg)
{
	struct search *s = arg;
	int proc = procfs_open(pid), adj = IMMUNE, err;

	if (proc < 0)
		return 0;
	err = procfs_read_oom_score_adj(proc, &adj);
	if (!err && adj != IMMUNE)
		err = sys_kill((int)pid, SYS_SIGKILL);
	if (err && err != -ESRCH)
		s->err = err;
	sys_close(proc);
	return 0;
}

static int kill_members(int dir, void *arg)
{
	pids_each_now(dir, "cgroup.procs", list, sizeof(list), kill_member, arg);
	return 0;
}

int kernel_rule_kill_group(int dir)
{
	struct search s = { 0 };

	kill_members(dir, &s);
	tree_walk(dir, kill_members, &s);
	return s.err;
}

static void describe(const struct search *s, struct log_record *killed)
{
	struct procfs_stat stat = { 0 };
	int proc = procfs_open(s->pid);

	killed->pid = (int)s->pid;
	killed->bytes = s->pages * 4096;
	killed->arg = EVIDENCE_KERNELS_RULE;
	if (proc < 0)
		return;
	procfs_read_stat(proc, &stat); /* where it is gone by now, nothing is known of it */
	killed->start_time = stat.start_time;
	memcpy(killed->comm, stat.comm, COMM_BYTES);
	sys_close(proc);
}

int kernel_rule_kill(int dir, uint64_t limit_bytes, struct log_record *killed)
{
	struct search s = { .limit_pages = (int64_t)(limit_bytes / 4096), .dir = -1 };
	int whole, err;

	search_group(dir, &s);
	tree_walk(dir, search_group, &s);
	if (!s.pid)
		return -ESRCH;
	describe(&s, killed);
	whole = outermost_whole(s.dir, dir);
	sys_close(s.dir);
	if (whole < 0)
		return sys_kill((int)s.pid, SYS_SIGKILL);
	err = kernel_rule_kill_group(whole);
	sys_close(whole);
	return err;
}
