/* SPDX-License-Identifier: MIT */
/* Description: a reader beside the writer gets whole frames, or none: every process of a frame holds what belongs to its time. */
#include "recorded.h"
#include <pthread.h>

enum { PROCS = 300, READS = 30 };

static int is_over;

/* The same for all, another in each frame. */
static uint32_t pages_at(uint64_t t_us) { return 1000u << t_us / 100000 % 7; }

static void *write_frames(void *unused)
{
	for (uint64_t t_us = 100000; !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE); t_us += 100000) {
		for (uint32_t slot = 0; slot < PROCS; slot++)
			recorded.recorder.latest[slot].anon_pages = pages_at(t_us);
		look(&fast, 0, PROCS, t_us);
	}
	return unused;
}

int main(void)
{
	uint32_t frames = 0;
	pthread_t writer;

	begin();
	for (uint32_t slot = 0; slot < PROCS; slot++)
		born(slot, 0, slot + 2, 0);
	CHECK(!pthread_create(&writer, NULL, write_frames, NULL));
	for (int reads = 0; reads < READS || !frames; reads++) {
		uint64_t last_us = 0;

		CHECK(history_open(&history, &recorded.region, 0, 0));
		for (; history_next(&history); frames++) {
			const struct history_frame *now = &history.now;

			CHECK(now->t_us > last_us && now->processes == PROCS);
			last_us = now->t_us;
			for (uint32_t i = 0; i < now->processes; i++)
				CHECK(is_about(now->process[i].pages, pages_at(last_us),
					       FAST_BITS));
		}
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	pthread_join(writer, NULL);
	CHECK_DONE();
}
