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

static uint32_t drawn __attribute__((unused)) = 1; /* a seed at first */

static inline uint32_t draw(void)
{
	drawn = drawn * 1664525 + 1013904223;
	return drawn >> 8;
}

static inline void dead(uint32_t slot, uint64_t t_us)
{
	record_gone(&recorded.frames, &recorded.recorder.latest[slot], (uint16_t)slot,
		    recorded.recorder.known[slot].since_us, t_us);
	recorded.recorder.latest[slot].pid = 0;
}

/* Its process dies once in so many looks; a free slot is soon another's. */
static inline void turn_over(uint32_t slot, uint32_t dies_in, uint64_t t_us)
{
	static uint32_t pid = 1;
	const struct snapshot *s = &recorded.recorder.latest[slot];

	if (s->pid && draw() % dies_in == 0)
		dead(slot, t_us);
	if (!s->pid && draw() % 10 == 0)
		born(slot, draw() % 3, ++pid, t_us);
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
