/* SPDX-License-Identifier: MIT */
/* The children of a guarded group. */
#include "child_group.h"
#include "kernel_rule.h"
#include "memcg_ops.h"
#include "pids.h"
#include "sys.h"
#include "tree.h"

static char list[PIDS_BYTES];

static int count(uint32_t pid, void *arg)
{
	struct census *c = arg;

	c->processes++;
	c->has_wanted |= pid == c->wanted;
	c->has_ours |= region_is_ours(c->region, pid);
	return 0;
}

static int count_group(int dir, void *arg)
{
	pids_each_now(dir, "cgroup.procs", list, sizeof(list), count, arg);
	return 0;
}

struct census child_group_census(int dir, const struct region *region, uint32_t wanted)
{
	struct census c = { .region = region, .wanted = wanted };

	count_group(dir, &c);
	tree_walk(dir, count_group, &c);
	return c;
}

struct search {
	const struct region *region;
	uint32_t pid;
	int found; /* a descriptor; -1: none yet */
	uint64_t bytes;
};

static int keep_if_home(int parent, const char *name, int depth, void *arg)
{
	struct search *s = arg;
	int dir = sys_openat(parent, name, O_RDONLY | O_DIRECTORY, 0);

	(void)depth;
	if (dir < 0)
		return 0;
	if (!child_group_census(dir, s->region, s->pid).has_wanted) {
		sys_close(dir);
		return 0;
	}
	s->found = dir;
	return 1;
}

int child_group_of(int dir, const struct region *region, uint32_t pid)
{
	struct search s = { .region = region, .pid = pid, .found = -1 };

	tree_each_child(dir, 0, keep_if_home, &s);
	return s.found < 0 ? -ESRCH : s.found;
}

static int keep_if_larger(int parent, const char *name, int depth, void *arg)
{
	struct search *s = arg;
	int dir = sys_openat(parent, name, O_RDONLY | O_DIRECTORY, 0);
	int usage = dir < 0 ? dir : sys_openat(dir, "memory.current", O_RDONLY, 0);
	uint64_t bytes = 0;
	int larger = usage >= 0 && !memcg_read_number(usage, &bytes) && bytes > s->bytes;
	int close = larger ? s->found : dir;

	(void)depth;
	if (usage >= 0)
		sys_close(usage);
	if (larger) {
		s->found = dir;
		s->bytes = bytes;
	}
	if (close >= 0)
		sys_close(close);
	return 0;
}

int child_group_largest(int dir, uint64_t *bytes)
{
	struct search s = { .found = -1 };

	tree_each_child(dir, 0, keep_if_larger, &s);
	*bytes = s.bytes;
	return s.found < 0 ? -ENOENT : s.found;
}

int child_group_kill(int dir, const struct region *region, uint32_t *processes)
{
	struct census c = child_group_census(dir, region, 0);
	int fd, err;
	long n;

	*processes = c.processes;
	if (c.has_ours)
		return -EPERM;
	fd = sys_openat(dir, "cgroup.kill", O_WRONLY, 0); /* v2, since Linux 5.14 */
	if (fd < 0) {
		err = kernel_rule_kill_group(dir);
		return err ? err : kernel_rule_kill_group(dir); /* who was born meanwhile */
	}
	n = sys_write(fd, "1", 1);
	sys_close(fd);
	return n < 0 ? (int)n : 0;
}
