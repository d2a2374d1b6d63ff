/* SPDX-License-Identifier: MIT */
/* Description: of 500 processes that all change in each frame a minute of looks near the limit and an hour of those far are there, in 4 MB. */
#include "recorded.h"

enum { PROCS = 500, MINUTE_S = 60, HOUR_S = 3600 };

static uint32_t pages_at(uint32_t slot, uint64_t look)
{
	uint32_t pages = 1000 + 37 * slot;

	return look % 2 ? pages : pages + pages / 4;
}

int main(void)
{
	uint64_t t_us = 1000000, looks = 0, end_us = t_us + 3ull * HOUR_S * 1000000, first_us = 0;
	uint32_t minute = 0, hour = 0;

	_Static_assert(sizeof(struct recorder) + sizeof(struct frames) <= 4000000, "the figure");
	begin();
	for (uint32_t slot = 0; slot < PROCS; slot++)
		born(slot, 0, slot + 2, t_us);
	for (; t_us <= end_us; t_us += 1000000, looks++) {
		for (uint32_t slot = 0; slot < PROCS; slot++)
			recorded.recorder.latest[slot].anon_pages = pages_at(slot, looks);
		look(&slow, 0, PROCS, t_us);
	}
	for (t_us = end_us - 3ull * MINUTE_S * 1000000; t_us <= end_us; t_us += 100000, looks++) {
		for (uint32_t slot = 0; slot < PROCS; slot++)
			recorded.recorder.latest[slot].anon_pages = pages_at(slot, looks);
		look(&fast, 0, PROCS, t_us);
	}
	CHECK(history_open(&history, &recorded.region, 0, 0));
	while (history_next(&history)) {
		const struct history_frame *now = &history.now;

		first_us = first_us ? first_us : now->t_us;
		minute += now->t_us > end_us - MINUTE_S * 1000000ull;
		hour += now->t_us <= end_us - MINUTE_S * 1000000ull &&
			now->t_us > end_us - HOUR_S * 1000000ull;
		CHECK(now->processes == PROCS);
	}
	CHECK(first_us <= end_us - HOUR_S * 1000000ull);
	CHECK(minute == 10 * MINUTE_S);
	CHECK(hour >= HOUR_S - MINUTE_S);
	CHECK_DONE();
}
