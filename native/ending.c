/* SPDX-License-Identifier: MIT */
/* How the watchers end: everything is put back, and nobody and nothing of ours is left. */
#include "lock.h"
#include "log.h"
#include "pids.h"
#include "sys.h"
#include "tree.h"
#include "watcher.h"

enum { LINGER_MS = 500 };

/* model: watcher_returns */
int ending_is_over(int agent_dead)
{
	struct region *r = watcher.self.region;
	int stop = shared_load(&r->stop) != 0;
	int over = stop || agent_dead;

	if (over && !watcher.event_ns)
		watcher.event_ns = sys_now_ns(); /* the owner must show that it puts things back */
	for (uint32_t i = 0; i < watcher.guards && over; i++) {
		struct watched *w = &watcher.watched[i];

		if (w->guard->state == GUARD_NONE)
			continue;
		if (watcher_owns() && w->attached &&
		    (stop || !incident_is_open(shared_load(&w->guard->incident)))) {
			watch_put_back(w, stop ? REASON_RELEASED : REASON_AGENT_DEAD);
			watch_detach(w);
		}
		over = guard_is_over(w->guard);
	}
	return over;
}

/* Removes a group that reprieve made, when nobody is left in it: it may be parted by then, and its parts are
 * its owner's. False: somebody is. */
static int remove_if_empty(const char *path)
{
	int dir = sys_open(path, O_RDONLY | O_DIRECTORY);
	int occupied = dir >= 0 && pids_any(dir);

	if (dir >= 0)
		sys_close(dir);
	return !occupied && tree_remove(path) != -EBUSY;
}

/* Limits that are still raised: given back when the group has room below them. False: it has not, or another reprieve guards
 * it by now. */
static int is_given_back(struct guard *g, uint32_t index)
{
	struct standing *st = standing_of(watcher.self.region, index);
	struct memcg m;
	int got;

	if (!st || !st->raised.added_bytes || memcg_open(&m, role_open_group(g), 0, &g->high))
		return 1;
	got = lock_is_held(m.control) ? 0 : memcg_open_counters(&m);
	if (got > 0)
		got = memcg_give_back(&m, &st->raised);
	memcg_close(&m);
	if (got)
		st->raised.added_bytes = 0;
	return got != 0;
}

/* The agent is dead and a group that reprieve made still has processes: they live on, under the
 * kernel's killer. The group is removed when they have ended. */
static void linger(void)
{
	int busy, told = 0;

	do {
		busy = 0;
		for (uint32_t i = 0; i < watcher.guards; i++) {
			struct guard *g = &watcher.self.region->guards[i];

			busy |= !is_given_back(g, i);
			if (!(g->flags & GUARD_OWNED) || remove_if_empty(g->path))
				continue;
			busy = 1;
			if (!told && watcher_owns())
				role_complain("reprieve is dead; unguarded from now on:", g->path,
					      0);
			told = 1;
		}
		if (busy)
			sys_sleep_ms(LINGER_MS);
	} while (busy);
}

static int is_other_leaving(void)
{
	return shared_load(&watcher.self.region->helpers[watcher_other_role()].is_leaving) != 0;
}

/* Waits for the others within a bound; says whether one is left. */
static int await_others(int *const *others, int n)
{
	int left = 1;

	for (int ms = 0; ms < OTHERS_END_MS && left; ms++) {
		left = 0;
		for (int i = 0; i < n; i++) {
			if (*others[i] >= 0 &&
			    (sys_pidfd_dead(*others[i]) ||
			     (others[i] == &watcher.other && is_other_leaving())))
				*others[i] = -1;
			left |= *others[i] >= 0;
		}
		if (left)
			sys_sleep_ms(1);
	}
	return left;
}

/* The last one sees to it that no helper that was stopped stays behind: nor the groups that it is in. */
static void end_the_others(void)
{
	enum { OTHERS = 3 };
	int *const others[OTHERS] = { &watcher.handler, &watcher.other, &watcher.door };

	if (!watcher_owns() || !await_others(others, OTHERS))
		return;
	for (int i = 0; i < OTHERS; i++)
		if (*others[i] >= 0)
			sys_pidfd_kill(*others[i]);
	await_others(others, OTHERS);
}

/* One of the others may have been stopped in the middle of a write of the switch, and have done it before its end.
 * A group that another reprieve has locked by now is that one's. */
static void put_back_late_writes(void)
{
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct guard *g = &watcher.self.region->guards[i];
		struct memcg m;

		if (!(g->flags & GUARD_POWERS) || !shared_load(&g->inode) ||
		    memcg_open(&m, role_open_group(g), 1, &g->high))
			continue;
		if (!lock_is_held(m.control))
			memcg_put_back(&m);
		memcg_close(&m);
	}
}

/* Not the owner: the owner may still die before it has removed what is ours, and then we are the last. */
static void await_owner(void)
{
	uint32_t from = (uint32_t)watcher_other_role();

	shared_store(&watcher.self.me->is_leaving, 1);
	for (int ms = 0; watcher.other >= 0 && !sys_pidfd_dead(watcher.other); ms++) {
		if (ms >= OWNER_ENDS_MS)
			return;
		sys_sleep_ms(1);
	}
	__atomic_compare_exchange_n(&watcher.self.region->owner, &from, (uint32_t)watcher.self.role,
				    0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* model: watcher_leaves */
void ending_last_one(void)
{
	if (!watcher_owns())
		await_owner();
	end_the_others();
	if (watcher_owns())
		put_back_late_writes();
	linger();
}
