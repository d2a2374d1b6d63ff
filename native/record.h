/* SPDX-License-Identifier: MIT */
/*
 * The flight recorder: what each process of each guard held, in frames. Two rings: the last minute as often as is looked, and the last
 * hour once a second. Pure, but for the ring that is given.
 *
 * One writer, the sampler: bounded, nothing allocated. All guards share a ring. Who would overwrite what is younger than the ring's
 * span may do so only while it has less than its share of it, so that a busy guard gets fewer frames, and no other loses its minute.
 * Readers (history.c) copy, and heed `tail` afterwards.
 */
#ifndef RPV_RECORD_H
#define RPV_RECORD_H

#include "region.h"

/*
 * What a frame begins with. Behind it, byte by byte, what has changed since the guard's frame before, slot by slot of the table:
 *   0x00-0x7f  the next slot's code is by so much, less 64, another
 *   0x80-0xbf  so many slots, and one, have not changed, or are not the guard's
 *   0xc0-0xdf  the same, 64 times as many
 *   0xe0       the next slot's code is what the two bytes behind it say
 * A key frame says all.
 */
struct frame {
	uint64_t t_us; /* CLOCK_MONOTONIC */
	uint32_t usage_pages;
	uint32_t inode; /* of the guard's group, the lower half */
	uint16_t guard;
	uint16_t bytes; /* with this head; a multiple of 8, and FRAME_IS_KEY */
	uint16_t
		some; /* v2: of the last 10 s somebody, or everybody, waited for memory, in 1/100 % */
	uint16_t full;
};

enum {
	FRAME_IS_KEY = 1,
	FRAME_DELTA = 0x00,
	FRAME_SKIP = 0x80,
	FRAME_SKIP_64 = 0xc0,
	FRAME_CODE = 0xe0
};

/* Of pages: their octave, and 2^bits steps in it, so that the error is the same share of all. 0: nobody. */
uint16_t record_code(uint32_t pages, uint32_t bits);
uint32_t record_pages(uint16_t code, uint32_t bits);

/* What the writer of a ring knows of a guard. */
struct recording {
	uint64_t t_us;	 /* its last frame; 0: none */
	uint64_t key_at; /* behind the begin of its last key frame; 0: none */
	uint32_t bytes;	 /* so much of the ring is its */
	uint32_t inode;
	uint32_t procs;
	uint16_t usage; /* its code */
	uint16_t some;
};

struct record {
	struct frame_ring *ring;
	uint8_t *data;
	uint32_t size;
	uint32_t span_ms;  /* what it is made for */
	uint32_t every_ms; /* a guard's frames are no closer */
	uint32_t bits;
	uint16_t *codes;      /* by slot; who takes a slot sets it to 0 */
	struct recording *of; /* by guard */
	uint32_t sharers;     /* guards that have something in the ring */
};

/* Takes over what an earlier writer has left in the ring. */
void record_resume(struct record *r, uint32_t guards);
/* Writes what is in `latest`, where it has changed. `head` without `bytes`; `procs`: so many there are. Says whether it has. */
int record_frame(struct record *r, struct frame head, uint32_t procs, const struct snapshot *latest,
		 uint32_t used);
/* One that has left its slot. */
void record_gone(struct frames *frames, const struct snapshot *s, uint16_t slot, uint64_t since_us,
		 uint64_t now_us);

/* Copies of a ring, which wraps. */
void record_copy(const uint8_t *data, uint32_t size, uint64_t at, void *to, uint32_t n);

#endif
