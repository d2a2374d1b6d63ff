/* SPDX-License-Identifier: MIT */
/* Description: the system guard's level, its next step, and what it reads of /proc. */
#include "../../native/system.h"
#include "check.h"
#include <string.h>

#define MB (1ull << 20)

/* A quarter and a tenth of 1,000 MB, 100 and 50 MB of swap. */
static const struct system_orders orders = {
	.memory = { { .per_myriad = 2500 }, { .per_myriad = 1000 } },
	.swap = { { .bytes = 100 * MB }, { .bytes = 50 * MB } },
	.pressure = { 4000, 7000 },
};

static enum system_level level_of(uint64_t available_mb, uint64_t swap_mb, uint64_t free_mb,
				  uint32_t pressure, int counts)
{
	struct system_now now = { .total_bytes = 1000 * MB,
				  .available_bytes = available_mb * MB,
				  .swap_bytes = swap_mb * MB,
				  .swap_free_bytes = free_mb * MB,
				  .pressure = pressure };
	enum system_cause cause;

	return system_level(&orders, &now, counts, &cause);
}

static void check_levels(void)
{
	CHECK(level_of(300, 0, 0, 0, 1) == SYSTEM_CALM);
	CHECK(level_of(249, 0, 0, 0, 1) == SYSTEM_FIRST);
	CHECK(level_of(99, 0, 0, 0, 1) == SYSTEM_SECOND);
	/* Swap that is left forgives. */
	CHECK(level_of(99, 1000, 500, 0, 1) == SYSTEM_CALM);
	CHECK(level_of(99, 1000, 100, 0, 1) == SYSTEM_FIRST);
	CHECK(level_of(99, 1000, 50, 0, 1) == SYSTEM_SECOND);
	CHECK(level_of(900, 0, 0, 3999, 1) == SYSTEM_CALM);
	CHECK(level_of(900, 0, 0, 4000, 1) == SYSTEM_FIRST);
	CHECK(level_of(900, 0, 0, 7000, 1) == SYSTEM_SECOND);
	CHECK(level_of(900, 0, 0, 7000, 0) == SYSTEM_CALM);
}

static void check_no_marks(void)
{
	struct system_orders none = { .memory = { { .bytes = 0 } } };
	struct system_now now = { .total_bytes = 1000 * MB, .pressure = 10000 };
	enum system_cause cause;

	CHECK(system_level(&none, &now, 1, &cause) == SYSTEM_CALM);
	CHECK(system_wait_ms(&none, &now) == SYSTEM_TICK_MIN_MS);
	now.available_bytes = 100000 * MB;
	CHECK(system_wait_ms(&none, &now) == SYSTEM_TICK_MAX_MS);
	now.available_bytes = 2000 * MB; /* 341 ms at 6,000 KB a ms */
	CHECK(system_wait_ms(&none, &now) == 341);
}

#define LOW .level = SYSTEM_FIRST, .is_open = 1, .is_allowed = 1, .handed_ms = UINT32_MAX
#define VERY_LOW .level = SYSTEM_SECOND, .is_open = 1, .is_allowed = 1, .handed_ms = UINT32_MAX

static enum system_next next_of(struct system_sight sight) { return system_next(&sight); }

static void check_steps(void)
{
	CHECK(next_of((struct system_sight){ LOW }) == SYSTEM_BEGIN);
	CHECK(next_of((struct system_sight){ VERY_LOW }) == SYSTEM_BEGIN);
	CHECK(next_of((struct system_sight){ LOW, .victim = SYSTEM_ASKED }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ LOW, .victim = SYSTEM_ASKED,
					     .victim_ms = SYSTEM_TERM_MS }) == SYSTEM_FINISH);
	CHECK(next_of((struct system_sight){ VERY_LOW, .victim = SYSTEM_ASKED }) == SYSTEM_FINISH);
	CHECK(next_of((struct system_sight){ VERY_LOW, .victim = SYSTEM_KILLED }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ VERY_LOW, .victim = SYSTEM_KILLED,
					     .victim_ms = SYSTEM_DEATH_MS }) == SYSTEM_BEGIN);
	CHECK(next_of((struct system_sight){ LOW, .victim = SYSTEM_GONE }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ LOW, .victim = SYSTEM_GONE,
					     .victim_ms = SYSTEM_SETTLE_MS }) == SYSTEM_BEGIN);
	/* The kernel is asked where nobody is left, at the second mark, and not again at once. */
	CHECK(next_of((struct system_sight){ LOW, .is_stuck = 1 }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ VERY_LOW, .is_stuck = 1 }) == SYSTEM_GIVE_UP);
	CHECK(next_of((struct system_sight){
		      .level = SYSTEM_SECOND, .is_allowed = 1, .is_stuck = 1 }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ VERY_LOW, .is_stuck = 1, .victim = SYSTEM_KILLED }) ==
	      SYSTEM_WAIT);
}

static void check_ends(void)
{
	CHECK(next_of((struct system_sight){ .level = SYSTEM_CALM }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ .level = SYSTEM_CALM, .is_open = 1 }) == SYSTEM_WAIT);
	CHECK(next_of((struct system_sight){ .level = SYSTEM_CALM,
					     .is_open = 1,
					     .calm_ms = SYSTEM_CALM_MS }) == SYSTEM_END);
	CHECK(next_of((struct system_sight){ .level = SYSTEM_SECOND, .is_open = 1 }) ==
	      SYSTEM_OBSERVE);
	CHECK(next_of((struct system_sight){
		      .level = SYSTEM_SECOND, .is_open = 1, .is_told = 1 }) == SYSTEM_WAIT);
}

static void check_texts(void)
{
	static const char meminfo[] =
		"MemTotal:        2000 kB\nMemFree:  5 kB\n"
		"MemAvailable:    1000 kB\nSwapCached:  1 kB\nAnonPages:  500 kB\n"
		"SwapTotal:  300 kB\nSwapFree:         200 kB\n";
	static const char pressure[] = "some avg10=1.50 avg60=100.00 avg300=0.07 total=9\n"
				       "full avg10=12.34 avg60=0.00 avg300=3.00 total=5\n";
	const char *end = pressure + strlen(pressure);
	struct system_now now = { 0 };

	CHECK(!system_parse_meminfo(meminfo, meminfo + strlen(meminfo), &now));
	CHECK(now.total_bytes == 1500 << 10 && now.available_bytes == 1000 << 10);
	CHECK(now.swap_bytes == 300 << 10 && now.swap_free_bytes == 200 << 10);
	CHECK(system_parse_meminfo(meminfo, meminfo + 30, &now) < 0);
	CHECK(system_parse_pressure(pressure, end, 0, 10) == 150);
	CHECK(system_parse_pressure(pressure, end, 0, 60) == 10000);
	CHECK(system_parse_pressure(pressure, end, 0, 300) == 7);
	CHECK(system_parse_pressure(pressure, end, 1, 10) == 1234);
	CHECK(system_parse_pressure(pressure, end, 1, 300) == 300);
	CHECK(system_parse_pressure(pressure, pressure, 1, 300) == 0);
}

int main(void)
{
	check_levels();
	check_no_marks();
	check_steps();
	check_ends();
	check_texts();
	CHECK_DONE();
}
