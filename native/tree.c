/* SPDX-License-Identifier: MIT */
/* Walks, joins and removes cgroups by their directories. */
#include "tree.h"
#include "limits.h"
#include "sys.h"
#include "text.h"

enum { ENTRIES_BYTES = 512, TYPE_DIR = 4 };

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

int tree_each_child(int dir, int depth, tree_child visit, void *arg)
{
	_Alignas(8) char buf[ENTRIES_BYTES];
	int list = sys_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	int ret = 0;
	long n = list;

	while (!ret && list >= 0 && (n = sys_getdents(list, buf, sizeof(buf))) > 0) {
		for (long at = 0; !ret && at < n;) {
			const struct entry *e = (const struct entry *)(buf + at);

			at += e->len;
			if (e->type == TYPE_DIR && e->name[0] != '.')
				ret = visit(dir, e->name, depth, arg);
		}
	}
	if (list >= 0)
		sys_close(list);
	return ret ? ret : n < 0 ? (int)n : 0;
}

struct walk {
	tree_visit visit;
	void *arg;
};

static int walk_child(int dir, const char *name, int depth, void *arg)
{
	const struct walk *w = arg;
	int child = sys_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);
	int ret;

	if (child < 0)
		return 0; /* removed meanwhile */
	ret = w->visit(child, w->arg);
	if (!ret && depth < TREE_DEPTH_MAX) {
		ret = tree_each_child(child, depth + 1, walk_child, arg);
		if (ret == -ENOENT || ret == -ENODEV)
			ret = 0;
	}
	sys_close(child);
	return ret;
}

int tree_walk(int dir, tree_visit visit, void *arg)
{
	struct walk w = { visit, arg };

	return tree_each_child(dir, 1, walk_child, &w);
}

static int remove_child(int dir, const char *name, int depth, void *arg)
{
	int child = sys_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);

	if (child >= 0 && depth < TREE_DEPTH_MAX)
		tree_each_child(child, depth + 1, remove_child, arg);
	if (child >= 0)
		sys_close(child);
	SYS3(unlinkat, dir, name, 0x200 /* AT_REMOVEDIR */);
	return 0;
}

int tree_remove(const char *path)
{
	int dir = sys_open(path, O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return dir;
	tree_each_child(dir, 1, remove_child, 0);
	sys_close(dir);
	return sys_rmdir(path);
}

int tree_join(const char *dir)
{
	char path[PATH_BYTES + 16];
	struct text t = text_on(path, sizeof(path));
	int fd;
	long n;

	text_add(&t, dir);
	text_add(&t, "/cgroup.procs");
	fd = t.cut ? -ENAMETOOLONG : sys_open(path, O_WRONLY);
	if (fd < 0)
		return fd;
	n = sys_write(fd, "0", 1);
	sys_close(fd);
	return n < 0 ? (int)n : 0;
}

uint64_t tree_inode(int dir)
{
	struct statx st;

	return sys_statx(dir, "", 0x1000 /* AT_EMPTY_PATH */, STATX_INO, &st) ? 0 : st.stx_ino;
}

void tree_path_of(int dir, char *path, size_t size)
{
	char link[64];
	struct text t = text_on(link, sizeof(link));
	long n;

	text_add(&t, "/proc/self/fd/");
	text_add_number(&t, (uint64_t)dir);
	n = sys_readlinkat(AT_FDCWD, link, path, size - 1);
	path[n > 0 ? n : 0] = 0;
}

struct wanted {
	uint64_t inode;
	int dir;
};

static int find_child(int parent, const char *name, int depth, void *arg)
{
	struct wanted *wanted = arg;
	int dir = sys_openat(parent, name, O_RDONLY | O_DIRECTORY, 0);

	(void)depth;
	if (dir < 0)
		return 0;
	if (tree_inode(dir) != wanted->inode) {
		sys_close(dir);
		return 0;
	}
	wanted->dir = dir;
	return 1;
}

int tree_open(const char *path, uint64_t inode)
{
	struct wanted wanted = { inode, sys_open(path, O_RDONLY | O_DIRECTORY) };
	char buf[PATH_BYTES];
	struct text parent = text_on(buf, sizeof(buf));
	int dir;

	if (!inode || (wanted.dir >= 0 && tree_inode(wanted.dir) == inode))
		return wanted.dir;
	if (wanted.dir >= 0)
		sys_close(wanted.dir);
	wanted.dir = -ENOENT;
	text_add(&parent, path);
	while (parent.len && buf[parent.len - 1] != '/')
		parent.len--;
	buf[parent.len] = 0;
	dir = sys_open(buf, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return dir;
	tree_each_child(dir, 0, find_child, &wanted);
	sys_close(dir);
	return wanted.dir;
}
