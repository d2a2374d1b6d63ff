/* SPDX-License-Identifier: MIT */
/* A region with a flight recorder, its writer, and its reader. */
#ifndef RECORDED_H
#define RECORDED_H

#include "../../native/history.h"
#include "check.h"

enum { GUARDS = 64 };

static struct {
	struct region region;
	struct guard guards[GUARDS];
	struct recorder recorder;
	struct frames frames;
} recorded = { .region = { .guards_max = GUARDS } };

static struct record fast = { .ring = &recorded.frames.fast,
			      .data = recorded.frames.fast_bytes,
			      .size = FAST_BYTES,
			      .span_ms = FAST_SPAN_MS,
			      .bits = FAST_BITS };
static struct record slow = { .ring = &recorded.frames.slow,
			      .data = recorded.frames.slow_bytes,
			      .size = SLOW_BYTES,
			      .span_ms = SLOW_SPAN_MS,
			      .every_ms = SLOW_EVERY_MS,
			      .bits = SLOW_BITS };
static struct recording of_guard[2][GUARDS];
static struct history history __attribute__((unused));

static inline void begin(void)
{
	fast.of = of_guard[0];
	fast.codes = recorded.frames.codes[0];
	slow.of = of_guard[1];
	slow.codes = recorded.frames.codes[1];
	recorded.region.recorder_offset =
		(uint64_t)((char *)&recorded.recorder - (char *)&recorded.region);
	recorded.region.frames_offset =
		(uint64_t)((char *)&recorded.frames - (char *)&recorded.region);
}

static inline void born(uint32_t slot, uint32_t guard, uint32_t pid, uint64_t t_us)
{
	recorded.recorder.latest[slot] =
		(struct snapshot){ .pid = pid, .start_time = 1, .guard = (uint16_t)guard };
	recorded.recorder.known[slot].since_us = t_us;
	fast.codes[slot] = slow.codes[slot] = 0;
}

static inline void dead(uint32_t slot, uint64_t t_us)
{
	record_gone(&recorded.frames, &recorded.recorder.latest[slot], (uint16_t)slot,
		    recorded.recorder.known[slot].since_us, t_us);
	recorded.recorder.latest[slot].pid = 0;
}

static inline void look(struct record *to, uint32_t guard, uint32_t procs, uint64_t t_us)
{
	record_frame(to, (struct frame){ .t_us = t_us, .guard = (uint16_t)guard, .usage_pages = 1 },
		     procs, recorded.recorder.latest, PROCS_MAX);
}

/* Within a step of the ring's. */
static inline int is_about(uint32_t pages, uint32_t real, uint32_t bits)
{
	uint32_t off = pages > real ? pages - real : real - pages;

	return (uint64_t)off << (bits + 1) <= real;
}

#endif
