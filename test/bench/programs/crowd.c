/* SPDX-License-Identifier: MIT */
/*
 * crowd PAGE COUNT: after SIGUSR1 becomes COUNT small sleeping processes, which die with it.
 */
#define _GNU_SOURCE
#include "page.h"
#include <sys/wait.h>

#define OWN_PAGES 4

int main(int argc, char **argv)
{
	struct page *page;
	long count;
	char *own;

	if (argc != 3)
		return 64;
	page = page_map(argv[1]);
	count = strtol(argv[2], NULL, 10);
	own = mmap(NULL, OWN_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		fail("mmap");
	wait_for_go(&page->leaker_pid);
	for (long n = 0; n < count; n++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t at = 0; at < OWN_PAGES * PAGE_BYTES; at += PAGE_BYTES)
			*(volatile char *)(own + at) = 1;
		atomic_fetch_add(&page->ready, 1);
		for (;;)
			pause();
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
