/* SPDX-License-Identifier: MIT */
/*
 * Hop 1, cgroup v1: the oom_control of a group's parent. A thousand groups mostly have few parents: those of the same share a
 * descriptor, and its 4.5 KB of kernel memory. By the one thread of a role that opens and closes groups.
 */
#include "limits.h"
#include "memcg_ops.h"
#include "sys.h"

static struct parent {
	uint64_t inode;
	int fd;
	uint32_t users; /* 0: free */
} parents[PARENTS_MAX];

static struct parent *find_by_inode(uint64_t inode)
{
	for (unsigned i = 0; i < PARENTS_MAX; i++)
		if (parents[i].users && parents[i].inode == inode)
			return &parents[i];
	return NULL;
}

static struct parent *find_free(void)
{
	for (unsigned i = 0; i < PARENTS_MAX; i++)
		if (!parents[i].users)
			return &parents[i];
	return NULL;
}

int memcg_open_parent(int dir)
{
	struct statx st;
	int err = sys_statx(dir, "..", 0, STATX_INO, &st), fd;
	struct parent *parent = err ? NULL : find_by_inode(st.stx_ino);

	if (parent) {
		parent->users++;
		return parent->fd;
	}
	fd = memcg_open_primed(dir, "../memory.oom_control", O_RDONLY);
	parent = err || fd < 0 ? NULL : find_free();
	if (parent)
		*parent = (struct parent){ .inode = st.stx_ino, .fd = fd, .users = 1 };
	return fd;
}

void memcg_close_parent(int fd)
{
	for (unsigned i = 0; i < PARENTS_MAX; i++)
		if (parents[i].users && parents[i].fd == fd && --parents[i].users)
			return;
	if (fd >= 0)
		sys_close(fd);
}
