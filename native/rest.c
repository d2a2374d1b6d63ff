/* SPDX-License-Identifier: MIT */
#include "rest.h"
#include "limits.h"

void rest_begin(struct rest *rest, uint64_t begun_ns, uint64_t ended_ns, uint32_t tick_ms)
{
	uint64_t took_ns = ended_ns - begun_ns;
	/* One that took long may have lacked a CPU itself. */
	uint64_t least_ns = took_ns < rest->took_ns ? took_ns : rest->took_ns;
	uint64_t ns = REST_SHARE * least_ns;

	rest->took_ns = took_ns;
	rest->until_ns = ns > tick_ms * 1000000ull ? ended_ns + ns : 0;
}
