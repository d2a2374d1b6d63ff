/* SPDX-License-Identifier: MIT */
/*
  * Hop 4c: the one writer of the switch, and what only a process outside the group can do for one
 * inside.
 */
#include "high.h"
#include "lock.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "tree.h"
#include "watcher.h"

#define CHILD_LEFT (1ull << 63) /* its owner wants its killer off, and we have told so */

/* A walk over the children. */
struct walk {
	struct watched *w;
	uint64_t known[GROUPS_MAX]; /* becomes guard->children */
	uint32_t n;
};

/* The child's word in guard->children; 0: it was not seen before. */
static uint64_t find_child(const struct guard *guard, uint64_t inode)
{
	for (uint32_t i = 0; i < GROUPS_MAX; i++) {
		uint64_t word = shared_load(&guard->children[i]);

		if ((word & ~CHILD_LEFT) == inode)
			return word;
	}
	return 0;
}

/*
 * A child made while we held its parent has inherited "killer off", and gets it back. Where it was off before we ever
 * held the parent, or was seen on, somebody wants it so: it is left, and told of once. One that another guard,
 * ours or another reprieve's, answers for is that guard's.
 */
static int visit_child(int dir, void *arg)
{
	struct walk *walk = arg;
	struct guard *guard = walk->w->guard;
	uint64_t inode = tree_inode(dir);
	uint64_t word = find_child(guard, inode);
	int is_off;
	char now[64];
	int fd = sys_openat(dir, "memory.oom_control", O_RDWR, 0);
	long n = fd < 0 ? fd : sys_pread(fd, now, sizeof(now), 0);

	is_off = n > 0 && text_after(now, now + n, "oom_kill_disable 1") && !lock_is_held(fd);
	if (is_off && !word && shared_load(&guard->switched)) {
		n = sys_pwrite(fd, "0", 1, 0);
		watch_tell(walk->w, STEP_CHILD_RESET, 0, n < 0 ? (int)n : 0);
	} else if (is_off) {
		inode |= CHILD_LEFT;
		if (!(word & CHILD_LEFT))
			watch_tell(walk->w, STEP_CHILD_LEFT, 0, 0);
	}
	if (walk->n < GROUPS_MAX)
		walk->known[walk->n++] = inode;
	if (fd >= 0)
		sys_close(fd);
	return 0;
}

static void look_after_children(struct watched *w)
{
	struct walk walk = { .w = w };

	tree_walk(w->memcg.dir, visit_child, &walk);
	for (uint32_t i = 0; i < GROUPS_MAX; i++)
		shared_store(&w->guard->children[i], walk.known[i]);
}

static int add_kills(int dir, void *arg)
{
	uint32_t *kills = arg;
	struct memcg_oom oom;
	struct memcg child;

	if (memcg_open(&child, sys_fcntl(dir, F_DUPFD_CLOEXEC, 0), 0, 0))
		return 0;
	if (!memcg_oom(&child, &oom))
		*kills += oom.kills;
	memcg_close(&child);
	return 0;
}

uint32_t switch_kills_below(const struct watched *w)
{
	uint32_t kills = 0;

	if (memcg_is_v2(&w->memcg))
		return 0; /* counted in the group's own */
	tree_walk(w->memcg.dir, add_kills, &kills);
	return kills;
}

uint32_t switch_chores(const struct guard *guard)
{
	return shared_load(&guard->tree_changes) + shared_load(&guard->switched) +
	       shared_load(&guard->want);
}

void switch_do_chores(struct watched *w)
{
	uint32_t chores = switch_chores(w->guard);

	if (!incident_is_open(shared_load(&w->guard->incident)))
		shared_store(&w->guard->kills_below, switch_kills_below(w));
	/* Before we arm they may be another reprieve's to look after. */
	if (!memcg_is_v2(&w->memcg) && !memcg_is_before(&w->memcg) &&
	    w->guard->flags & GUARD_POWERS && shared_load(&w->guard->want) == WANT_ARMED)
		look_after_children(w);
	shared_store(&w->guard->chores_done, chores);
}

/* model: switch_asks, switch_writes, switch_tells */
int switch_write(struct watched *w, enum switch_to to)
{
	int err;

	if (!watcher_owns())
		return -EAGAIN;
	if (to == SWITCH_HOLD && memcg_has_mark(&w->memcg)) {
		err = high_record(w);
		if (err)
			return err;
	}
	err = to == SWITCH_HOLD	  ? memcg_hold(&w->memcg)
	      : to == SWITCH_WAKE ? memcg_wake(&w->memcg)
				  : memcg_hand_over(&w->memcg);
	if (!err)
		shared_store(&w->guard->switched, w->guard->switched + 1);
	__atomic_fetch_add(&w->guard->looks_asked, 1, __ATOMIC_ACQ_REL);
	watcher_wake_other(); /* for the chores; and if we lost it during the write, to look at once */
	return err;
}
