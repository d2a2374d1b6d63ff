/* SPDX-License-Identifier: MIT */
/* Hop 3: the standing orders. */
#include "orders.h"
#include "region.h"

uint32_t orders_power(enum order order)
{
	switch (order) {
	case ORDER_RAISE:
	case ORDER_RECLAIM:
		return GUARD_ALLOW_LIMITS;
	case ORDER_MOVE:
	case ORDER_WAKE:
		return GUARD_ALLOW_MOVE;
	case ORDER_HOOK:
		return GUARD_ALLOW_HOOKS;
	case ORDER_HAND_OVER:
		return 0; /* it is the kernel that acts */
	default:
		return GUARD_ALLOW_KILL;
	}
}

int orders_kills(enum order order)
{
	return order == ORDER_KILL || order == ORDER_KILL_GROUP || order == ORDER_KILL_GROUP_ALL ||
	       order == ORDER_TERMINATE;
}

static enum next next_of_order(const struct sight *s)
{
	int begins = s->order == ORDER_KILL || !s->is_begun;
	int is_late = !s->is_last && s->waited_ms >= s->bound_ms;

	if (s->is_over || is_late || (begins && s->is_capped && orders_kills(s->order)))
		return NEXT_ORDER;
	return begins ? NEXT_BEGIN : NEXT_WAIT;
}

enum next orders_next(const struct sight *s)
{
	int dying = s->victim == VICTIM_DYING && s->idle_ms < VICTIM_BOUND_MS;
	int is_kernels = s->order == ORDER_NONE || s->order == ORDER_HAND_OVER;

	if (!s->powers && !is_kernels)
		return NEXT_OBSERVE; /* also when the kernel has killed already */
	/* Its room is no relief: what it holds has to be given back first. */
	if (s->victim == VICTIM_ASKED && s->held)
		return s->waited_ms < s->grace_ms ? NEXT_WAIT : NEXT_BEGIN;
	if (!s->in_oom)
		return dying && s->full ? NEXT_WAIT : NEXT_RELIEVED;
	if (!s->powers)
		return NEXT_WAIT;
	if (!s->held)
		return NEXT_WAIT; /* the kernel is killing */
	if (s->killed_by_kernel && s->idle_ms < KERNEL_KILL_GRACE_MS)
		return NEXT_WAIT; /* it was first: one victim is enough */
	if (dying)
		return NEXT_WAIT;
	if (s->victim == VICTIM_DEAD && s->idle_ms < RESPOND_TICK_MS)
		return NEXT_WAIT; /* dead a moment ago: those it held up wake now */
	if (is_kernels)
		return NEXT_GIVE_UP;
	return s->powers & orders_power(s->order) ? next_of_order(s) : NEXT_OBSERVE;
}
