/* SPDX-License-Identifier: MIT */
/* Hop 3: the standing orders. */
#include "orders.h"
#include "limits.h"

/* The victim is dying: it gives its memory back by itself, or is helped. */
static enum order follow_victim(const struct sight *s)
{
	if (!s->mreleased && s->since_kill_ms >= MRELEASE_AFTER_MS)
		return ORDER_MRELEASE;
	return ORDER_WAIT;
}

enum order orders_next(const struct sight *s)
{
	int dying = s->victim == VICTIM_DYING && s->since_kill_ms < VICTIM_BOUND_MS;

	if (!s->in_oom)
		return dying && s->full ? follow_victim(s) : ORDER_RELIEVED;
	if (!s->allow_kill)
		return s->has_chosen ? ORDER_WAIT : ORDER_OBSERVE;
	if (!s->held)
		return ORDER_WAIT; /* the kernel is killing */
	if (s->killed_by_kernel && s->since_kill_ms < KERNEL_KILL_GRACE_MS)
		return ORDER_WAIT; /* it was first: one victim is enough */
	if (dying)
		return follow_victim(s);
	if (s->victim == VICTIM_DEAD && s->since_kill_ms < RESPOND_TICK_MS)
		return ORDER_WAIT; /* dead a moment ago: those it held up wake now */
	return s->kills < KILLS_PER_INCIDENT_MAX ? ORDER_KILL : ORDER_GIVE_UP;
}
