/* SPDX-License-Identifier: MIT */
/* Description: rest_begin() rests for REST_SHARE times the pass where that is longer than the tick, and not for one long pass. */
#include "../../native/limits.h"
#include "../../native/rest.h"
#include "check.h"

enum { TICK_MS = 5, MS = 1000000 };

/* After a pass of so many ms that began at 0: for how many it rests. */
static uint64_t rest_after_ms(struct rest *rest, uint64_t ms)
{
	rest_begin(rest, 0, ms * MS, TICK_MS);
	return rest->until_ns ? rest->until_ns / MS - ms : 0;
}

int main(void)
{
	struct rest rest = { 0 };

	CHECK(!rest_lasts(&rest, 0));
	CHECK(rest_after_ms(&rest, 10) == 0); /* once: it may have lacked a CPU */
	CHECK(rest_after_ms(&rest, 12) == REST_SHARE * 10);
	CHECK(rest_lasts(&rest, 12 * MS) && !rest_lasts(&rest, (12 + REST_SHARE * 10) * MS));
	CHECK(rest_after_ms(&rest, 2) == REST_SHARE * 2);
	CHECK(rest_after_ms(&rest, 1) == 0); /* within the tick */
	CHECK(rest_after_ms(&rest, 10) == 0);
	CHECK_DONE();
}
