/* SPDX-License-Identifier: MIT */
/* The flight recorder, read: frame by frame of one guard, the hour's and then the minute's. Of a region that others write, or have left.
 * Pure, but for the region. */
#ifndef RPV_HISTORY_H
#define RPV_HISTORY_H

#include "record.h"

enum { HISTORY_NOBODY = 0xffff };

/* One ring, copied. */
struct tape {
	uint64_t at, end;
	uint32_t size, bits;
	uint32_t used;	/* slots below have been written */
	_Bool is_keyed; /* a key frame of the guard was read */
	uint8_t *data;
	uint16_t codes[PROCS_MAX];
	uint16_t who[PROCS_MAX]; /* a slot of latest[]; PROCS_MAX + one of gone[]; HISTORY_NOBODY */
};

struct history_frame {
	uint64_t t_us; /* CLOCK_MONOTONIC */
	uint64_t usage_bytes;
	uint16_t some, full; /* as in struct frame */
	uint32_t processes;
	struct {
		uint32_t who;
		uint32_t pages;
	} process[PROCS_MAX];
};

struct history {
	struct history_frame now;
	struct snapshot latest[PROCS_MAX];
	uint64_t since_us[PROCS_MAX];
	struct gone gone[GONE_MAX];
	uint16_t newest_gone[PROCS_MAX]; /* of a slot: which of gone[]; HISTORY_NOBODY */
	uint16_t gone_before[GONE_MAX];
	struct tape slow, fast;
	struct frame pending; /* the fast ring's first */
	uint32_t guard, inode;
	uint8_t fast_bytes[FAST_BYTES];
	uint8_t slow_bytes[SLOW_BYTES];
};

/*
 * Of a guard, and of its present group, where it has one: what held at `since_us` and what came after it, and of what was before as
 * little as that takes. False: there is no flight recorder.
 */
int history_open(struct history *h, const struct region *region, uint32_t guard, uint64_t since_us);
/* Its next frame, in h->now: 1, or 0 behind the newest. */
int history_next(struct history *h);
/* Who that is. */
const struct snapshot *history_who(const struct history *h, uint32_t who);

#endif
