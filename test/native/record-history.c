/* SPDX-License-Identifier: MIT */
/* Description: what history_next() tells of three guards is what was, over 8,000 looks at processes that come, go, and take each other's slots. */
#include "recorded.h"

enum { LOOKS = 8000, SLOTS = 200, KEPT = 1000 };

/* What was, of guard 1's last looks. */
static struct {
	uint64_t t_us;
	uint32_t pids[SLOTS], pages[SLOTS];
} was[KEPT];

static void live(uint64_t t_us)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		struct snapshot *s = &recorded.recorder.latest[slot];

		turn_over(slot, 500, t_us);
		if (s->pid && draw() % 4 == 0)
			s->anon_pages = draw() % 8 ? s->anon_pages + draw() % 64 : draw();
	}
}

static void keep(uint64_t look, uint64_t t_us)
{
	was[look % KEPT].t_us = t_us;
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		const struct snapshot *s = &recorded.recorder.latest[slot];

		was[look % KEPT].pids[slot] = s->guard == 1 ? s->pid : 0;
		was[look % KEPT].pages[slot] = s->anon_pages;
	}
}

static uint32_t count(uint64_t look)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		n += was[look % KEPT].pids[slot] != 0;
	return n;
}

static void check_frame(uint64_t look)
{
	const struct history_frame *now = &history.now;

	CHECK(now->processes == count(look));
	for (uint32_t i = 0; i < now->processes; i++) {
		uint32_t pid = history_who(&history, now->process[i].who)->pid, slot = 0;

		while (slot < SLOTS && was[look % KEPT].pids[slot] != pid)
			slot++;
		CHECK(slot < SLOTS);
		if (slot < SLOTS)
			CHECK(is_about(now->process[i].pages, was[look % KEPT].pages[slot],
				       FAST_BITS));
	}
}

int main(void)
{
	uint64_t look_us = 10000, checked = 0;

	begin();
	for (uint64_t n = 1; n <= LOOKS; n++) {
		live(n * look_us);
		keep(n, n * look_us);
		for (uint32_t guard = 0; guard < 3; guard++)
			look(&fast, guard, count(n), n * look_us);
	}
	CHECK(history_open(&history, &recorded.region, 1, 0));
	while (history_next(&history)) {
		uint64_t n = history.now.t_us / look_us;

		if (n + KEPT <= LOOKS)
			continue;
		check_frame(n);
		checked++;
	}
	CHECK(checked > KEPT / 2);
	CHECK(!history_open(&history, &recorded.region, GUARDS, 0));
	CHECK_DONE();
}
