/* SPDX-License-Identifier: MIT */
/* Description: orders_next() kills once per need, waits for a victim within its bound, and never blindly. */
#include "../../native/limits.h"
#include "../../native/orders.h"
#include "check.h"

static enum order order_of(struct sight sight) { return orders_next(&sight); }

/* A group in OOM that is ours to relieve. */
#define OURS .in_oom = 1, .full = 1, .held = 1, .allow_kill = 1

int main(void)
{
	CHECK(order_of((struct sight){ OURS }) == ORDER_KILL);
	CHECK(order_of((struct sight){ .held = 1, .allow_kill = 1 }) == ORDER_RELIEVED);
	CHECK(order_of((struct sight){ .in_oom = 1, .full = 1, .held = 0, .allow_kill = 1 }) ==
	      ORDER_WAIT);
	CHECK(order_of((struct sight){ .in_oom = 1, .full = 1 }) == ORDER_OBSERVE);
	CHECK(order_of((struct sight){ .in_oom = 1, .full = 1, .has_chosen = 1 }) == ORDER_WAIT);
	CHECK(order_of((struct sight){ OURS, .victim = VICTIM_DYING }) == ORDER_WAIT);
	CHECK(order_of((struct sight){ OURS, .victim = VICTIM_DYING,
				       .idle_ms = VICTIM_BOUND_MS }) == ORDER_KILL);
	CHECK(order_of((struct sight){ .full = 1, .allow_kill = 1, .victim = VICTIM_DYING }) ==
	      ORDER_WAIT);
	CHECK(order_of((struct sight){ .allow_kill = 1, .victim = VICTIM_DYING }) ==
	      ORDER_RELIEVED);
	CHECK(order_of((struct sight){ OURS, .victim = VICTIM_DEAD }) == ORDER_WAIT);
	CHECK(order_of((struct sight){ OURS, .victim = VICTIM_DEAD, .idle_ms = RESPOND_TICK_MS }) ==
	      ORDER_KILL);
	CHECK(order_of((struct sight){ OURS, .killed_by_kernel = 1 }) == ORDER_WAIT);
	CHECK(order_of((struct sight){ OURS, .killed_by_kernel = 1,
				       .idle_ms = KERNEL_KILL_GRACE_MS }) == ORDER_KILL);
	CHECK(order_of((struct sight){ OURS, .kills = KILLS_PER_INCIDENT_MAX }) == ORDER_GIVE_UP);
	CHECK_DONE();
}
