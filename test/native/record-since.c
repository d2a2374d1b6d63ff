/* SPDX-License-Identifier: MIT */
/* Description: from any moment on a history tells what the whole one tells from there, and what held before it; little of what was earlier. */
#include "recorded.h"

enum { LOOKS = 15000, SLOTS = 24, LOOK_US = 100000, SLOW_LOOKS = 10, MOMENTS = 60, TOLD = 8192 };

/* Of the whole history, a sum over who was in the frame and with how much. */
static struct {
	uint64_t t_us, sum;
} whole[TOLD];
static uint32_t told;

static void live(uint64_t t_us)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		struct snapshot *s = &recorded.recorder.latest[slot];

		turn_over(slot, 2000, t_us);
		s->anon_pages = draw() % 4 ? s->anon_pages : draw() % 100000;
	}
}

static uint64_t sum(void)
{
	uint64_t sum = history.now.usage_bytes;

	for (uint32_t i = 0; i < history.now.processes; i++)
		sum = sum * 31 + history_who(&history, history.now.process[i].who)->pid * 7919ull +
		      history.now.process[i].pages;
	return sum;
}

static void tell_whole(void)
{
	CHECK(history_open(&history, &recorded.region, 1, 0));
	for (told = 0; history_next(&history) && told < TOLD; told++) {
		whole[told].t_us = history.now.t_us;
		whole[told].sum = sum();
	}
	CHECK(told > 1000 && told < TOLD);
}

/* Of the whole one, what holds at a moment. */
static uint32_t holds(uint64_t since_us)
{
	uint32_t at = 0;

	while (at + 1 < told && whole[at + 1].t_us <= since_us)
		at++;
	return at;
}

static void check_from(uint64_t since_us)
{
	uint32_t at = holds(since_us), earlier = 0;

	CHECK(history_open(&history, &recorded.region, 1, since_us));
	while (history_next(&history)) {
		if (history.now.t_us < whole[at].t_us) {
			earlier++;
			continue;
		}
		CHECK(at < told && history.now.t_us == whole[at].t_us && sum() == whole[at].sum);
		at++;
	}
	CHECK(at == told);
	CHECK(earlier <= told / 4);
}

int main(void)
{
	uint64_t end_us = (uint64_t)LOOKS * LOOK_US;

	drawn = 7;
	begin();
	for (uint64_t n = 1; n <= LOOKS; n++) {
		live(n * LOOK_US);
		for (uint32_t guard = 0; guard < 3; guard++) {
			look(&fast, guard, SLOTS, n * LOOK_US);
			if (n % SLOW_LOOKS == 0)
				look(&slow, guard, SLOTS, n * LOOK_US);
		}
	}
	tell_whole();
	for (uint32_t i = 0; i <= MOMENTS; i++)
		check_from(end_us * i / MOMENTS);
	for (uint32_t i = 0; i <= MOMENTS; i++)
		check_from(end_us - (uint64_t)draw() % 70000000);
	CHECK_DONE();
}
