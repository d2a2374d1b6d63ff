/* SPDX-License-Identifier: MIT */
/*
 * newborn PAGE BYTES: at each SIGUSR1 forks a child that takes BYTES as fast as the machine gives them, and waits for its death; `ready` is its pid.
 * Exits with 3 if one gets all it wants: then the group's limit did not hold it.
 */
#define _GNU_SOURCE
#include "page.h"
#include <sys/wait.h>

static void leak(struct page *page, size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
		atomic_store_explicit(&page->touch_ns[0], now_ns(), memory_order_relaxed);
		*(volatile char *)(p + at) = 1;
	}
	_exit(3);
}

int main(int argc, char **argv)
{
	struct page *page;
	size_t bytes;

	if (argc != 3)
		return 64;
	page = page_map(argv[1]);
	bytes = strtoul(argv[2], NULL, 10);
	for (;;) {
		int status = 0;
		pid_t child;

		wait_for_go(&page->leaker_pid);
		child = fork();
		if (child < 0)
			fail("fork");
		if (child == 0)
			leak(page, bytes);
		atomic_store(&page->ready, (uint64_t)child);
		if (waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status))
			return 3;
		atomic_store(&page->death_ns, now_ns());
		atomic_fetch_add(&page->finished, 1);
	}
}
