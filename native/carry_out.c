/* SPDX-License-Identifier: MIT */
/* Hop 4a: orders that may take long: they reclaim, or wait for the lock of all cgroups or an RCU grace period. */
#include "carry_out.h"
#include "child_group.h"
#include "freezer.h"
#include "ledger.h"
#include "memcg_ops.h"
#include "sys.h"
#include "tree.h"

static struct log_record reclaim(struct watched *w)
{
	struct log_record told = { .step = STEP_RECLAIM };
	struct memcg_room before, after;
	int opened = memcg_open_counters(&w->memcg);

	told.result = opened < 0 ? opened : memcg_limits(&w->memcg, &before);
	if (!told.result) {
		int err = memcg_reclaim(&w->memcg, w->guard->margin_bytes);

		told.result = err == -ENOENT ? -EOPNOTSUPP : err;
	}
	if (!told.result)
		told.result = memcg_limits(&w->memcg, &after);
	if (!told.result && after.usage_bytes < before.usage_bytes)
		told.bytes = before.usage_bytes - after.usage_bytes;
	if (opened > 0)
		memcg_close_counters(&w->memcg);
	return told;
}

/* Whoever has thawed it while our write was under way has been too early. */
static int freeze_recorded(struct watched *w, struct standing *st, int child)
{
	uint64_t inode = tree_inode(child);
	int err = ledger_set_frozen(FD_LEDGER, w->index, inode);

	if (err)
		return err;
	shared_store(&st->frozen, inode);
	err = freezer_freeze(child);
	if (err)
		shared_store(&st->frozen, 0);
	else if (shared_load(&st->frozen) != inode)
		freezer_thaw(child);
	return err;
}

static struct log_record freeze(struct watched *w, struct standing *st)
{
	struct log_record told = { .step = STEP_FREEZE };
	int child = child_group_largest(w->memcg.dir, &told.bytes);

	if (!memcg_is_v2(&w->memcg))
		told.result = -EOPNOTSUPP;
	else if (child < 0)
		told.result = child;
	else if (child_group_census(child, watcher.self.region, 0).has_ours)
		told.result = -EPERM;
	else
		told.result = freeze_recorded(w, st, child);
	if (child >= 0)
		sys_close(child);
	return told;
}

void carry_out_thaw(struct watched *w)
{
	struct standing *st = carry_out_standing(w);
	uint64_t inode = shared_load(&st->frozen);

	if (!inode || freezer_thaw_child(w->memcg.dir, inode))
		return;
	shared_store(&st->frozen, 0);
	ledger_set_frozen(FD_LEDGER, w->index, 0);
	watch_tell(w, STEP_THAW, 0, 0);
}

/* The responder has chosen it by its pidfd; here it is a number, which may be another's by now. */
static struct log_record move(struct watched *w, uint32_t pid)
{
	struct log_record told = { .step = STEP_MOVE, .pid = (int)pid };
	struct census here = child_group_census(w->memcg.dir, watcher.self.region, pid);
	int err = !here.has_wanted ? -ESRCH : w->move_to ? w->move_to : -ENOENT;

	told.result = err < 0 ? err : memcg_write_number(w->move_to, pid);
	return told;
}

static struct log_record kill_group(struct watched *w, uint32_t pid, int is_whole)
{
	struct log_record told = { .step = STEP_KILL_GROUP };
	const struct region *region = watcher.self.region;
	uint32_t processes = 0;
	int dir = is_whole ? w->memcg.dir : child_group_of(w->memcg.dir, region, pid);

	told.result = dir < 0 ? dir : child_group_kill(dir, region, &processes);
	told.bytes = processes;
	if (dir >= 0 && !is_whole)
		sys_close(dir);
	return told;
}

static struct log_record carry_out(struct watched *w, struct standing *st, uint64_t ask)
{
	enum order order = standing_ask_order(ask);

	if (!(w->guard->flags & orders_power(order)))
		return (struct log_record){ .step = STEP_WOULD, .arg = order, .result = -EPERM };
	switch (order) {
	case ORDER_RECLAIM:
		return reclaim(w);
	case ORDER_FREEZE:
		return freeze(w, st);
	case ORDER_MOVE:
		return move(w, standing_ask_pid(ask));
	default:
		return kill_group(w, standing_ask_pid(ask), order == ORDER_KILL_GROUP_ALL);
	}
}

int carry_out_slow(struct watched *w)
{
	struct standing *st = carry_out_standing(w);
	uint64_t ask = st ? carry_out_wanted(w, st) : 0;
	enum order wanted = standing_ask_order(ask);

	if (!st)
		return 0;
	if (wanted != ORDER_NONE && !carry_out_is_of_limits(wanted) && wanted != ORDER_HOOK)
		carry_out_answer(w, st, ask, carry_out(w, st, ask));
	if (!incident_is_open(shared_load(&w->guard->incident)))
		carry_out_thaw(w);
	return shared_load(&st->frozen) != 0;
}
