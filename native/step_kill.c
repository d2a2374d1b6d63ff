/* SPDX-License-Identifier: MIT */
/* Hop 3: the order "kill", by what was opened before. */
#include "log.h"
#include "oom_group.h"
#include "step.h"
#include "sys.h"
#include "text.h"

static struct log_record about(const struct choice *c)
{
	struct log_record r = { .pid = (int)c->pid,
				.bytes = c->bytes,
				.start_time = c->start_time,
				.arg = c->evidence };

	memcpy(r.comm, c->comm, COMM_BYTES);
	return r;
}

/* We may have been stopped for any time since we looked: then it is another OOM, or none, and whoever was chosen may be
 * innocent of it. What is younger than a tick is as good as another look. */
static int is_stale(struct guarded *g)
{
	if (shared_load(&g->guard->incident) != g->response.word ||
	    incident_is_handed_over(g->guard))
		return 1;
	if (sys_now_ns() - g->response.looked_ns < RESPOND_TICK_MS * 1000000ull)
		return 0;
	if (memcg_oom(&g->memcg, &g->oom) || memcg_room(&g->memcg, &g->room))
		return 1;
	return !memcg_in_oom(&g->oom, &g->room) && !shared_load(&g->guard->starving);
}

int step_choose(struct guarded *g, struct choice *choice)
{
	int err = choose_victim(g, choice);

	if (!err && is_stale(g))
		return -EAGAIN;
	if (!err)
		respond_tell(g, STEP_CHOSE, about(choice));
	return err;
}

/* model: handler_kills */
void step_kill(struct guarded *g)
{
	struct response *r = &g->response;
	struct log_record record;
	struct choice c;
	uint32_t whole;
	int err = step_choose(g, &c);

	if (err == -EAGAIN)
		return; /* the table is being written, or we were stopped: the next tick */
	if (err) {
		r->is_over = 1;
		return;
	}
	whole = oom_group_of(g, c.pid);
	err = c.pidfd >= 0 ? sys_pidfd_kill(c.pidfd) : sys_kill((int)c.pid, SYS_SIGKILL);
	victim_remember(r, &c, sys_now_ns());
	if (err) {
		r->victim = VICTIM_DEAD; /* it went by itself, or may not be killed: the next one */
	} else {
		shared_store(&g->guard->kills, g->guard->kills + 1);
		step_count_kill(g, r->progress_ns);
	}
	record = about(&c);
	record.result = err;
	respond_tell(g, STEP_KILL, record);
	if (!err)
		shared_store(&g->guard->carried_out, ORDER_KILL);
	if (whole && !err) {
		r->whole = whole;
		r->whole_view = g->current;
		r->times = r->members = 0;
		oom_group_kill(g);
	}
}

int step_would_kill(struct guarded *g)
{
	struct choice c;
	int err = choose_victim(g, &c);

	if (err == -EAGAIN)
		return 0;
	if (!err)
		respond_tell(g, STEP_WOULD_KILL, about(&c));
	return 1;
}
