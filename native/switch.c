/* SPDX-License-Identifier: MIT */
/*
 * Hop 4c: the one writer of the switch, and what only a process outside the group can do for one
 * inside.
 */
#include "log.h"
#include "sys.h"
#include "text.h"
#include "tree.h"
#include "watcher.h"

static int reset_child(int dir, void *arg)
{
	struct watched *w = arg;
	char now[64];
	int fd = sys_openat(dir, "memory.oom_control", O_RDWR, 0);
	long n = fd < 0 ? fd : sys_pread(fd, now, sizeof(now), 0);

	if (n > 0 && text_after(now, now + n, "oom_kill_disable 1")) {
		n = sys_pwrite(fd, "0", 1, 0);
		watch_tell(w, STEP_CHILD_RESET, 0, n < 0 ? (int)n : 0);
	}
	if (fd >= 0)
		sys_close(fd);
	return 0;
}

static int add_kills(int dir, void *arg)
{
	uint32_t *kills = arg;
	struct memcg_oom oom;
	struct memcg child = { .oom_control = sys_openat(dir, "memory.oom_control", O_RDONLY, 0) };

	if (child.oom_control < 0)
		return 0;
	if (!memcg_oom(&child, &oom))
		*kills += oom.kills;
	sys_close(child.oom_control);
	return 0;
}

uint32_t switch_kills_below(const struct watched *w)
{
	uint32_t kills = 0;

	tree_walk(w->memcg.dir, add_kills, &kills);
	return kills;
}

void switch_reset_children(struct watched *w)
{
	w->tree_changes = shared_load(&w->guard->tree_changes);
	if (!incident_is_open(shared_load(&w->guard->incident)))
		w->kills_below = switch_kills_below(w);
	if (w->guard->flags & GUARD_ALLOW_KILL)
		tree_walk(w->memcg.dir, reset_child, w);
}

/* A fresh descriptor's first read makes the kernel list the group's tasks anew, for all who
 * read it. */
static int read_list(int dir, void *arg)
{
	char some[16];
	int fd = sys_openat(dir, "tasks", O_RDONLY, 0);

	(void)arg;
	if (fd >= 0) {
		sys_pread(fd, some, sizeof(some), 0);
		sys_close(fd);
	}
	return 0;
}

void switch_read_lists(struct watched *w)
{
	uint32_t wanted = shared_load(&w->guard->lists_wanted);

	if (wanted == shared_load(&w->guard->lists_read))
		return;
	read_list(w->memcg.dir, 0);
	tree_walk(w->memcg.dir, read_list, 0);
	shared_store(&w->guard->lists_read, wanted);
}

int switch_write(struct watched *w, int (*write)(const struct memcg *))
{
	int err;

	if (!watcher_owns())
		return -EAGAIN;
	err = write(&w->memcg);
	if (!watcher_owns()) /* lost during the write: the new owner looks at once */
		watcher_wake_other();
	return err;
}
