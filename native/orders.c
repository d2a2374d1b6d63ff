/* SPDX-License-Identifier: MIT */
/* Hop 3: the standing orders. */
#include "orders.h"
#include "limits.h"

enum order orders_next(const struct sight *s)
{
	int dying = s->victim == VICTIM_DYING && s->idle_ms < VICTIM_BOUND_MS;

	if (!s->allow_kill && !s->has_chosen)
		return ORDER_OBSERVE; /* also when the kernel has killed already */
	if (!s->in_oom)
		return dying && s->full ? ORDER_WAIT : ORDER_RELIEVED;
	if (!s->allow_kill)
		return ORDER_WAIT;
	if (!s->held)
		return ORDER_WAIT; /* the kernel is killing */
	if (s->killed_by_kernel && s->idle_ms < KERNEL_KILL_GRACE_MS)
		return ORDER_WAIT; /* it was first: one victim is enough */
	if (dying)
		return ORDER_WAIT;
	if (s->victim == VICTIM_DEAD && s->idle_ms < RESPOND_TICK_MS)
		return ORDER_WAIT; /* dead a moment ago: those it held up wake now */
	return s->kills < KILLS_PER_INCIDENT_MAX ? ORDER_KILL : ORDER_GIVE_UP;
}
