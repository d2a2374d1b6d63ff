/* SPDX-License-Identifier: MIT */
/*
 * minimal GROUP PAGE: waits for the OOM event and kills the one pid it was told; the quickest
 * possible.
 */
#define _GNU_SOURCE
#include "oom_event.h"

int main(int argc, char **argv)
{
	struct page *page;

	if (argc != 3)
		return 64;
	page = page_map(argv[2]);
	oom_begin(argv[1]);
	atomic_store(&page->ready, 1);
	for (;;) {
		pid_t victim;

		oom_wait();
		victim = (pid_t)atomic_load(&page->victim_pid);
		if (victim > 1)
			kill(victim, SIGKILL);
	}
}
