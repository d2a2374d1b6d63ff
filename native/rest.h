/* SPDX-License-Identifier: MIT */
/*
 * Many guards at OOM are work, and at real-time priority it would leave no CPU to those who have to die: a loop rests from
 * guards of which no event has come for REST_SHARE times as long as its last pass over them took. Not where that is within
 * its tick, which few never leave.
 */
#ifndef RPV_REST_H
#define RPV_REST_H

#include <stdint.h>

struct rest {
	uint64_t until_ns; /* 0: there is none */
	uint64_t took_ns;  /* the last pass */
};

/* After a pass. */
void rest_begin(struct rest *rest, uint64_t begun_ns, uint64_t ended_ns, uint32_t tick_ms);

static inline int rest_lasts(const struct rest *rest, uint64_t now_ns)
{
	return now_ns < rest->until_ns;
}

#endif
