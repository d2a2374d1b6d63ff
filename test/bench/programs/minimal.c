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
	uint64_t count;
	int event;

	if (argc != 3)
		return 64;
	page = page_map(argv[2]);
	event = oom_event(argv[1]);
	atomic_store(&page->ready, 1);
	while (read(event, &count, sizeof(count)) == sizeof(count)) {
		pid_t victim = (pid_t)atomic_load(&page->victim_pid);

		if (victim > 1)
			kill(victim, SIGKILL);
	}
	return 1;
}
