/* SPDX-License-Identifier: MIT */
/*
 * Hop 3b, cgroup v2: mem_cgroup_get_oom_group(), mm/memcontrol.c.
 *
 * One by one, as the kernel does: cgroup.kill would take those at -1000 too, belongs to root in many a delegated group, and
 * waits for a lock (cgroup_mutex) with which somebody who makes a child may sleep over memory.high.
 */
#include "oom_group.h"
#include "log.h"
#include "pids.h"
#include "sys.h"

void oom_group_read(struct guarded *g)
{
	/* Parents come first (tree_walk()). */
	for (uint32_t i = 0; i < g->groups && memcg_is_v2(&g->memcg); i++) {
		uint8_t above = i ? g->whole[g->above[i]] : 0;

		g->whole[i] = above ? above : memcg_is_whole(g->dirs[i]) ? (uint8_t)(i + 1) : 0;
	}
}

static int is_it(uint32_t pid, void *arg) { return pid == *(const uint32_t *)arg; }

uint32_t oom_group_of(struct guarded *g, uint32_t pid)
{
	const struct view *view = view_now(g);

	for (uint32_t i = 0; i < view->groups; i++)
		if (view->whole[i] &&
		    pids_each(view->tasks[i], handler.respond_pids, PIDS_BYTES, is_it, &pid) == 1)
			return view->whole[i];
	return 0;
}

struct killing {
	const struct guarded *g;
	uint32_t killed;
	int err;
};

/* Whom the table does not have was born a moment ago, and is killed. */
static int kill_member(uint32_t pid, void *arg)
{
	struct killing *k = arg;
	const struct response *r = &k->g->response;
	struct table_known known = { 0 };

	/* We may have been stopped: then others live here by now. */
	if (shared_load(&k->g->guard->incident) != r->word)
		return 1;
	if (table_ask(&handler.table, k->g->index, pid, &known) == -EAGAIN)
		k->err = -EAGAIN;
	else if (pid != r->victim_pid && pid > 1 && !region_is_ours(handler.self.region, pid) &&
		 !known.exempt)
		k->killed += !sys_kill((int)pid, SYS_SIGKILL);
	return 0;
}

/* Who was killed forks no more: those who were born while the lists were read are in them the second time. */
void oom_group_kill(struct guarded *g)
{
	enum { TIMES = 2 };
	struct response *r = &g->response;
	const struct view *view = &g->views[r->whole_view];
	struct killing k = { .g = g };

	for (uint32_t i = 0; i < view->groups; i++)
		if (view->whole[i] == r->whole)
			pids_each(view->tasks[i], handler.respond_pids, PIDS_BYTES, kill_member,
				  &k);
	if (k.killed > r->members)
		r->members = k.killed;
	if (!k.err)
		r->times++;
	if (r->times < TIMES)
		return;
	respond_tell(g, STEP_KILL_GROUP, (struct log_record){ .bytes = r->members });
	r->whole = 0;
}
