/* SPDX-License-Identifier: MIT */
/* cgroup v2: cgroup.freeze. The write waits for a lock of all cgroups; nobody waits for the tasks to stand still. */
#include "freezer.h"
#include "sys.h"
#include "tree.h"

static int write_freeze(int dir, char wanted)
{
	char now = wanted;
	int fd = sys_openat(dir, "cgroup.freeze", O_RDWR, 0);
	long n = fd < 0 ? fd : sys_pread(fd, &now, 1, 0);

	if (n > 0 && wanted == '1' && now == '1')
		n = -EALREADY;
	else if (n > 0)
		n = sys_pwrite(fd, &wanted, 1, 0);
	if (fd >= 0)
		sys_close(fd);
	return n < 0 ? (int)n : 0;
}

int freezer_freeze(int dir) { return write_freeze(dir, '1'); }

int freezer_thaw(int dir) { return write_freeze(dir, '0'); }

struct search {
	uint64_t inode;
	int err;
};

static int thaw_if_it(int parent, const char *name, int depth, void *arg)
{
	struct search *s = arg;
	int dir = sys_openat(parent, name, O_RDONLY | O_DIRECTORY, 0);
	int found = dir >= 0 && tree_inode(dir) == s->inode;

	(void)depth;
	if (found)
		s->err = freezer_thaw(dir);
	if (dir >= 0)
		sys_close(dir);
	return found;
}

int freezer_thaw_child(int dir, uint64_t inode)
{
	struct search s = { inode, 0 };

	tree_each_child(dir, 0, thaw_if_it, &s);
	return s.err == -ENODEV || s.err == -ENOENT ? 0 : s.err;
}
