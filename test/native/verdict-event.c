/* SPDX-License-Identifier: MIT */
/* Description: verdict_event() names the most urgent event of a look; verdict_on_handler() its reason. */
#include "../../native/verdict.h"
#include "check.h"

static enum event event_of(enum guard_state state, struct look look)
{
	return verdict_event(state, &look);
}

static enum reason reason_of(struct trial trial) { return verdict_on_handler(&trial); }

int main(void)
{
	CHECK(event_of(GUARD_OOM, (struct look){ .gone = 1, .in_oom = 1 }) == EVENT_GONE);
	CHECK(event_of(GUARD_QUIET, (struct look){ .fit = 1, .in_oom = 1, .inside_margin = 1 }) ==
	      EVENT_OOM);
	CHECK(event_of(GUARD_QUIET, (struct look){ .fit = 1, .inside_margin = 1 }) == EVENT_NEAR);
	CHECK(event_of(GUARD_QUIET, (struct look){ .fit = 0, .inside_margin = 1 }) == EVENT_UNFIT);
	CHECK(event_of(GUARD_QUIET, (struct look){ .fit = 1, .kernel_killed = 1 }) == EVENT_OOM);
	CHECK(event_of(GUARD_NEAR, (struct look){ .fit = 1, .kernel_killed = 1 }) == EVENT_OOM);
	CHECK(event_of(GUARD_NEAR, (struct look){ .incident_open = 1, .inside_margin = 1 }) ==
	      EVENT_JOIN);
	CHECK(event_of(GUARD_NEAR, (struct look){ .fit = 1, .outside_ms = FAR_AFTER_MS }) ==
	      EVENT_FAR);
	CHECK(event_of(GUARD_NEAR, (struct look){ .fit = 1, .outside_ms = FAR_AFTER_MS - 1 }) ==
	      EVENT_NONE);
	CHECK(event_of(GUARD_OOM, (struct look){ .in_oom = 1, .reason = REASON_DEADLINE }) ==
	      EVENT_VERDICT);
	CHECK(event_of(GUARD_OOM, (struct look){ .reason = REASON_DEADLINE }) == EVENT_FREE);
	CHECK(event_of(GUARD_OOM, (struct look){ .in_oom = 1 }) == EVENT_OOM);
	CHECK(event_of(GUARD_OOM,
		       (struct look){ .in_oom = 1, .overrode = 1, .reason = REASON_DEADLINE }) ==
	      EVENT_OVERRODE);
	CHECK(event_of(GUARD_RELIEF, (struct look){ .free_ms = RELIEF_HOLD_MS }) == EVENT_HELD);
	CHECK(event_of(GUARD_RELIEF, (struct look){ .free_ms = RELIEF_HOLD_MS - 1 }) == EVENT_NONE);
	CHECK(event_of(GUARD_RELIEF, (struct look){ .unsettled = 1, .free_ms = RELIEF_HOLD_MS }) ==
	      EVENT_NONE);
	CHECK(event_of(GUARD_RELIEF,
		       (struct look){ .unsettled = 1, .free_ms = RELIEF_UNSETTLED_HOLD_MS }) ==
	      EVENT_HELD);
	CHECK(event_of(GUARD_RELIEF, (struct look){ .waits_for_end = 1, .free_ms = 9999 }) ==
	      EVENT_NONE);
	CHECK(event_of(GUARD_RELIEF, (struct look){ .waits_for_end = 1, .in_oom = 1 }) ==
	      EVENT_OOM);
	CHECK(event_of(GUARD_HANDED, (struct look){ .in_oom = 1, .overdue = 1 }) == EVENT_OVERDUE);
	CHECK(event_of(GUARD_HANDED, (struct look){ .in_oom = 1 }) == EVENT_OOM);

	CHECK(reason_of((struct trial){ .dead = 1, .seen = 1, .delay_ms = 100 }) ==
	      REASON_HANDLER_DEAD);
	CHECK(reason_of((struct trial){ .seen = 1, .asks = REASON_KILL_CAP, .delay_ms = 100 }) ==
	      REASON_KILL_CAP);
	CHECK(reason_of((struct trial){ .age_ms = UNSEEN_AFTER_MS, .delay_ms = 100 }) ==
	      REASON_HANDLER_UNSEEN);
	CHECK(reason_of((struct trial){ .age_ms = UNSEEN_AFTER_MS - 1, .delay_ms = 100 }) ==
	      REASON_NONE);
	CHECK(reason_of((struct trial){ .seen = 1, .age_ms = 99, .delay_ms = 100 }) == REASON_NONE);
	CHECK(reason_of((struct trial){ .seen = 1, .age_ms = 100, .delay_ms = 100 }) ==
	      REASON_DEADLINE);
	CHECK(reason_of((struct trial){ .delay_ms = 0 }) != REASON_NONE);
	CHECK(reason_of((struct trial){ .seen = 1, .asleep = 1, .delay_ms = 100 }) ==
	      REASON_HANDLER_ASLEEP);
	CHECK(reason_of((struct trial){ .seen = 1, .over_budget = 1, .delay_ms = 100 }) ==
	      REASON_BUDGET);
	CHECK_DONE();
}
