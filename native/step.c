/* SPDX-License-Identifier: MIT */
/* Hop 3: the current order of an incident. */
#include "step.h"
#include "log.h"
#include "sys.h"

static struct standing *standing(const struct guarded *g)
{
	return standing_of(handler.self.region, g->index);
}

static enum order order_at(const struct guarded *g, uint32_t at)
{
	const struct standing *st = standing(g);
	uint32_t order = !st		   ? (at ? ORDER_NONE : ORDER_KILL)
			 : at < ORDERS_MAX ? st->orders[at]
					   : 0;

	return order < ORDERS ? (enum order)order : ORDER_NONE;
}

enum order step_order(const struct guarded *g) { return order_at(g, g->response.order_at); }

int step_is_last(const struct guarded *g)
{
	return order_at(g, g->response.order_at + 1) == ORDER_NONE;
}

uint32_t step_grace_ms(const struct guarded *g)
{
	const struct standing *st = standing(g);

	return st && st->grace_ms ? st->grace_ms : TERMINATE_BOUND_MS * memcg_patience(&g->memcg);
}

uint32_t step_bound_ms(const struct guarded *g)
{
	const struct standing *st = standing(g);
	enum order order = step_order(g);

	if (order == ORDER_HOOK && st->hook_bound_ms)
		return st->hook_bound_ms;
	if (order == ORDER_TERMINATE)
		return step_grace_ms(g) + VICTIM_BOUND_MS * memcg_patience(&g->memcg);
	return order < ORDERS ? order_bound_ms(order) * memcg_patience(&g->memcg) : 0;
}

static int kills_a_group(enum order order)
{
	return order == ORDER_KILL_GROUP || order == ORDER_KILL_GROUP_ALL;
}

enum reason step_cap(const struct guarded *g, uint64_t now_ns)
{
	const struct region *region = handler.self.region;
	const struct standing *st = standing(g);
	uint32_t most = st && st->incident_cap ? st->incident_cap : KILLS_PER_INCIDENT_MAX;

	if (shared_load(&g->guard->kills) >= most)
		return REASON_KILL_CAP;
	if (st && st->hour_cap && caps_kills(&st->hour, now_ns) >= st->hour_cap)
		return REASON_HOUR_CAP;
	if (region->hour_cap && caps_kills(&region->hour, now_ns) >= region->hour_cap)
		return REASON_HOST_CAP;
	return REASON_NONE;
}

void step_count_kill(struct guarded *g, uint64_t now_ns)
{
	struct standing *st = standing(g);

	if (st)
		caps_count(&st->hour, now_ns);
	caps_count(&handler.self.region->hour, now_ns);
}

/* The watcher kills when it comes to that: until then the victim is not to be helped to die. */
static int condemn(struct guarded *g, uint32_t *pid)
{
	struct choice c;
	int err = step_choose(g, &c);

	if (err)
		return err;
	victim_remember(&g->response, &c, sys_now_ns());
	g->response.killed_ns = UINT64_MAX;
	*pid = c.pid;
	return 0;
}

static void pardon(struct response *r)
{
	r->victim = VICTIM_NONE;
	r->tries--;
}

void step_ask_for(struct guarded *g, enum order order, uint32_t pid)
{
	struct standing *st = standing(g);

	if (!st)
		return; /* there is none but "kill" */
	g->response.asked = (uint8_t)order;
	shared_store(&st->asked, standing_ask(g->response.word, order, pid));
	if (order == ORDER_HOOK)
		role_wake(FD_AGENT);
	else
		role_ask_for_look(g->guard);
}

static void ask(struct guarded *g, enum order order, uint64_t now_ns)
{
	struct choice c = { 0 };
	int err = 0;

	if (kills_a_group(order))
		err = condemn(g, &c.pid);
	else if (order == ORDER_MOVE)
		err = step_choose(g, &c);
	if (err == -EAGAIN)
		return;
	if (err) {
		g->response.is_over = 1;
		return;
	}
	if (kills_a_group(order))
		step_count_kill(g, now_ns); /* also where it fails: never one too many */
	step_ask_for(g, order, c.pid);
}

void step_begin(struct guarded *g, uint64_t now_ns)
{
	enum order order = step_order(g);

	if (!g->response.step_ns) {
		g->response.step_ns = now_ns;
		g->response.has_relieved = 0;
	}
	if (order == ORDER_KILL)
		step_kill(g);
	else if (order == ORDER_TERMINATE)
		step_terminate(g, now_ns);
	else
		ask(g, order, now_ns);
}

/* The agent's answer. Memory that comes back while the program is at work is its doing, as far as anybody can know. */
static void look_at_hook(struct guarded *g, const struct standing *st)
{
	struct response *r = &g->response;
	int32_t result;

	if (shared_load(&st->hook_begun) == st->asked)
		shared_store(&g->guard->carried_out, ORDER_HOOK);
	if (shared_load(&st->hook_done) != st->asked)
		return;
	result = st->hook_result;
	r->is_answered = 1;
	r->is_over = result != 0;
	respond_tell(g, STEP_HOOK,
		     (struct log_record){ .arg = result > 0 ? (uint32_t)result : 0,
					  .result = result < 0 ? result : 0 });
}

void step_look(struct guarded *g, uint64_t now_ns)
{
	struct standing *st = standing(g);
	struct response *r = &g->response;
	enum order order = step_order(g);

	if (order == ORDER_TERMINATE && r->asked)
		r->is_over |= r->victim == VICTIM_DEAD; /* one, and no other */
	if (!r->asked || r->is_answered)
		return;
	if (r->asked == ORDER_HOOK) {
		look_at_hook(g, st);
		return;
	}
	if (shared_load(&st->done) != st->asked)
		return;
	if (r->asked == ORDER_MOVE && !st->result) {
		r->moved_pid = standing_ask_pid(st->asked);
		r->moved_scan = shared_load(&g->scans);
		step_ask_for(g, ORDER_WAKE, 0);
		return;
	}
	r->is_answered = 1;
	if (r->asked == ORDER_ROOM)
		return; /* without it, too, it may end */
	r->is_over = st->result != 0 || order == ORDER_FREEZE;
	if (kills_a_group(order) && st->result) {
		pardon(r);
	} else if (kills_a_group(order)) {
		r->killed_ns = r->progress_ns = now_ns;
		shared_store(&g->guard->kills, g->guard->kills + 1);
	}
	if (!st->result && order != ORDER_FREEZE)
		shared_store(&g->guard->carried_out, order);
}

int step_observe(struct guarded *g)
{
	if (step_order(g) == ORDER_KILL || step_order(g) == ORDER_TERMINATE)
		return step_would_kill(g);
	respond_tell(g, STEP_WOULD, (struct log_record){ .arg = step_order(g) });
	return 1;
}

static enum step told_as(enum order order)
{
	static const uint8_t steps[ORDERS] = {
		0,	   STEP_RAISE,	    STEP_RECLAIM,    STEP_FREEZE, STEP_MOVE,
		STEP_KILL, STEP_KILL_GROUP, STEP_KILL_GROUP, STEP_HOOK,	  STEP_ROOM
	};

	return (enum step)steps[order];
}

void step_leave(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	enum order order = step_order(g);
	enum reason cap = step_cap(g, now_ns);

	if (r->asked && !r->is_answered && standing(g)) {
		shared_store(&standing(g)->asked, 0);
		respond_tell(g, told_as(order), (struct log_record){ .result = -ETIMEDOUT });
		if (kills_a_group(order))
			pardon(r);
	}
	r->order_at++;
	r->gives_up = (uint8_t)(orders_kills(order) && cap	   ? cap
				: step_order(g) == ORDER_HAND_OVER ? REASON_ORDERED
				: order == ORDER_KILL		   ? REASON_NO_CANDIDATE
								   : REASON_NO_ORDER_LEFT);
	r->step_ns = 0;
	r->asked = r->is_over = r->is_answered = 0;
}
