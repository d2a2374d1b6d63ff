/* SPDX-License-Identifier: MIT */
/* Description: orders_next() goes through the orders within their bounds and powers, kills once per need, and never blindly. */
#include "../../native/orders.h"
#include "../../native/region.h"
#include "check.h"

static enum next next_of(struct sight sight) { return orders_next(&sight); }

enum { BOUND_MS = 10 };

/* A group in OOM that is ours to relieve, by a kill, a raise, and so on. */
#define OURS .in_oom = 1, .full = 1, .held = 1, .powers = GUARD_POWERS, .bound_ms = BOUND_MS
#define KILL OURS, .order = ORDER_KILL, .is_last = 1
#define RAISE OURS, .order = ORDER_RAISE
#define LATE .waited_ms = BOUND_MS

static void check_kill(void)
{
	CHECK(next_of((struct sight){ KILL }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ KILL, .victim = VICTIM_DYING }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ KILL, .victim = VICTIM_DYING, .idle_ms = VICTIM_BOUND_MS }) ==
	      NEXT_BEGIN);
	CHECK(next_of((struct sight){ KILL, .victim = VICTIM_DEAD }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ KILL, .victim = VICTIM_DEAD, .idle_ms = RESPOND_TICK_MS }) ==
	      NEXT_BEGIN);
	CHECK(next_of((struct sight){ KILL, .killed_by_kernel = 1 }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ KILL, .killed_by_kernel = 1,
				      .idle_ms = KERNEL_KILL_GRACE_MS }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ KILL, .is_capped = 1 }) == NEXT_ORDER);
	CHECK(next_of((struct sight){ KILL, .is_capped = 1, .victim = VICTIM_DYING }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ KILL, .is_over = 1 }) == NEXT_ORDER);
	/* The last one has all of the delay; one before it has not. */
	CHECK(next_of((struct sight){ KILL, .waited_ms = 10 * BOUND_MS }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_KILL, LATE }) == NEXT_ORDER);
}

static void check_step(void)
{
	CHECK(next_of((struct sight){ RAISE }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ RAISE, .is_begun = 1 }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ RAISE, .is_begun = 1, LATE }) == NEXT_ORDER);
	CHECK(next_of((struct sight){ RAISE, .is_begun = 1, LATE, .is_last = 1 }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ RAISE, LATE }) == NEXT_ORDER);
	CHECK(next_of((struct sight){ RAISE, .is_begun = 1, .is_over = 1 }) == NEXT_ORDER);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_NONE }) == NEXT_GIVE_UP);
	/* A cap is for kills, and not for one that is under way. */
	CHECK(next_of((struct sight){ RAISE, .is_capped = 1 }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_KILL_GROUP, .is_capped = 1 }) ==
	      NEXT_ORDER);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_KILL_GROUP_ALL, .is_capped = 1,
				      .is_begun = 1 }) == NEXT_WAIT);
}

/* Who was sent SIGTERM has time, whether its room is relief or not, and then is killed: unless the kernel decides by now. */
static void check_terminate(void)
{
#define ASKED .order = ORDER_TERMINATE, .is_begun = 1, .victim = VICTIM_ASKED, .grace_ms = 5
	CHECK(next_of((struct sight){ OURS, .order = ORDER_TERMINATE }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_TERMINATE, .is_capped = 1 }) ==
	      NEXT_ORDER);
	CHECK(next_of((struct sight){ OURS, ASKED, .waited_ms = 4 }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ .held = 1, .powers = GUARD_POWERS, ASKED, .waited_ms = 4 }) ==
	      NEXT_WAIT);
	CHECK(next_of((struct sight){ OURS, ASKED, .waited_ms = 5 }) == NEXT_BEGIN);
	CHECK(next_of((struct sight){ .held = 1, .powers = GUARD_POWERS, ASKED, .waited_ms = 5 }) ==
	      NEXT_BEGIN);
	CHECK(next_of((struct sight){
		      .in_oom = 1, .powers = GUARD_POWERS, ASKED, .waited_ms = 5 }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ OURS, .order = ORDER_TERMINATE, .is_begun = 1, .is_over = 1,
				      .victim = VICTIM_DEAD, .idle_ms = RESPOND_TICK_MS }) ==
	      NEXT_ORDER);
}

/* The hand-over takes no power, and no time; who can still relieve does. */
static void check_hand_over(void)
{
#define HAND_OVER OURS, .order = ORDER_HAND_OVER, .is_last = 1
	CHECK(next_of((struct sight){ HAND_OVER }) == NEXT_GIVE_UP);
	CHECK(next_of((struct sight){ HAND_OVER, .is_capped = 1 }) == NEXT_GIVE_UP);
	CHECK(next_of((struct sight){ HAND_OVER, .victim = VICTIM_DYING }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ HAND_OVER, .victim = VICTIM_DYING,
				      .idle_ms = VICTIM_BOUND_MS }) == NEXT_GIVE_UP);
	CHECK(next_of((struct sight){ .held = 1,
				      .powers = GUARD_POWERS,
				      .order = ORDER_HAND_OVER }) == NEXT_RELIEVED);
	CHECK(next_of((struct sight){ .in_oom = 1, .order = ORDER_HAND_OVER }) == NEXT_WAIT);
	CHECK(orders_power(ORDER_HAND_OVER) == 0);
	CHECK(!orders_kills(ORDER_HAND_OVER));
}

/* With no power it observes all; with some, what they are not for. */
static void check_powers(void)
{
	for (int order = ORDER_RAISE; order < ORDER_HAND_OVER; order++) {
		uint32_t power = orders_power((enum order)order);

		CHECK(power == GUARD_ALLOW_KILL || power == GUARD_ALLOW_LIMITS ||
		      power == GUARD_ALLOW_MOVE || power == GUARD_ALLOW_HOOKS);
		CHECK(next_of((struct sight){ .order = (enum order)order }) == NEXT_OBSERVE);
		CHECK(next_of((struct sight){ .in_oom = 1,
					      .held = 1,
					      .order = (enum order)order,
					      .bound_ms = BOUND_MS,
					      .powers = power }) == NEXT_BEGIN);
		CHECK(next_of((struct sight){ .in_oom = 1,
					      .held = 1,
					      .order = (enum order)order,
					      .powers = GUARD_POWERS & ~power }) == NEXT_OBSERVE);
	}
	CHECK(next_of((struct sight){ .in_oom = 1, .full = 1 }) == NEXT_WAIT);
}

int main(void)
{
	check_kill();
	check_step();
	check_terminate();
	check_hand_over();
	check_powers();
	CHECK(next_of((struct sight){ .held = 1, .powers = GUARD_POWERS, .order = ORDER_KILL }) ==
	      NEXT_RELIEVED);
	CHECK(next_of((struct sight){ .in_oom = 1, .powers = GUARD_POWERS, .order = ORDER_KILL }) ==
	      NEXT_WAIT);
	CHECK(next_of((struct sight){ .full = 1,
				      .powers = GUARD_POWERS,
				      .order = ORDER_KILL,
				      .victim = VICTIM_DYING }) == NEXT_WAIT);
	CHECK(next_of((struct sight){ .powers = GUARD_POWERS,
				      .order = ORDER_KILL,
				      .victim = VICTIM_DYING }) == NEXT_RELIEVED);
	CHECK_DONE();
}
