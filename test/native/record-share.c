/* SPDX-License-Identifier: MIT */
/* Description: a guard of 4,000 processes that all change takes frames from itself, and not the minute of 50 others. */
#include "recorded.h"

enum { MANY = 4000, FEW = 5, OTHERS = 50, MINUTE_S = 60, LOOKS = 3000 };

static void change(uint64_t n)
{
	for (uint32_t slot = 0; slot < MANY + FEW * OTHERS; slot++)
		recorded.recorder.latest[slot].anon_pages = 1000 + (uint32_t)(n % 3) * 300 + slot;
}

/* Frames of the last minute, and whether the minute is there from its begin on. */
static uint32_t minute_of(uint32_t guard, uint64_t end_us, int *is_whole)
{
	uint64_t begin_us = end_us - MINUTE_S * 1000000ull;
	uint32_t n = 0;

	*is_whole = 0;
	CHECK(history_open(&history, &recorded.region, guard, 0));
	while (history_next(&history)) {
		*is_whole |= history.now.t_us <= begin_us;
		n += history.now.t_us > begin_us;
	}
	return n;
}

int main(void)
{
	uint64_t t_us = 1000000;
	uint32_t frames;
	int is_whole;

	begin();
	for (uint32_t slot = 0; slot < MANY; slot++)
		born(slot, 0, slot + 2, t_us);
	for (uint32_t slot = MANY; slot < MANY + FEW * OTHERS; slot++)
		born(slot, 1 + (slot - MANY) / FEW, slot + 2, t_us);
	for (uint32_t n = 0; n < LOOKS; n++, t_us += 100000) {
		change(n);
		look(&fast, 0, MANY, t_us);
		for (uint32_t guard = 1; n % 10 == 0 && guard <= OTHERS; guard++)
			look(&fast, guard, FEW, t_us);
	}
	for (uint32_t guard = 1; guard <= OTHERS; guard++) {
		frames = minute_of(guard, t_us, &is_whole);
		CHECK(is_whole && frames >= MINUTE_S - 1);
	}
	frames = minute_of(0, t_us, &is_whole);
	CHECK(frames > MINUTE_S && frames < 10 * MINUTE_S);
	CHECK_DONE();
}
