/* SPDX-License-Identifier: MIT */
/*
 * leaker PAGE BYTES touch|huge|populate THREADS [BEFORE]: after SIGUSR1 takes BYTES as fast as the machine
 * gives them; with BEFORE that many at the first SIGUSR1, and goes on at the next.
 *
 * The time is stamped before every touch, so the last stamp is that of the touch that never
 * returned. Exits with 3 if it gets all it wants: then the group's limit did not hold it.
 */
#define _GNU_SOURCE
#include "page.h"
#include <pthread.h>
#include <string.h>

#define HUGE_BYTES (2ul << 20)

static struct page *page;
static const char *means;
static size_t share;
static char *arena;

/*
 * Takes its share, page by page; a huge page comes with its first touch, and where one no longer
 * fits the kernel falls back to small ones, so that the limit is met to the page. "populate" takes
 * all in one call, which stops at the limit without an error, and then touches.
 */
static void *leak(void *slot)
{
	size_t thread = (size_t)slot;
	char *mine = arena + thread * share;

	if (strcmp(means, "populate") == 0 &&
	    mmap(mine, share, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0) == MAP_FAILED)
		fail("mmap");
	for (size_t at = 0; at < share; at += PAGE_BYTES) {
		atomic_store_explicit(&page->touch_ns[thread], now_ns(), memory_order_relaxed);
		*(volatile char *)(mine + at) = 1;
	}
	return NULL;
}

static void take(size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile char *)(arena + at) = 1;
}

int main(int argc, char **argv)
{
	pthread_t other;
	size_t bytes, threads;
	char *raw;

	if (argc != 5 && argc != 6)
		return 64;
	page = page_map(argv[1]);
	bytes = strtoul(argv[2], NULL, 10);
	means = argv[3];
	threads = strtoul(argv[4], NULL, 10);
	if (threads < 1 || threads > LEAK_THREADS_MAX)
		return 64;
	share = bytes / threads / HUGE_BYTES * HUGE_BYTES;
	raw = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		fail("mmap");
	arena = (char *)(((uintptr_t)raw + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	if (strcmp(means, "huge") == 0 && madvise(arena, share * threads, MADV_HUGEPAGE) != 0)
		fail("madvise");
	wait_for_go(&page->leaker_pid);
	if (argc == 6) {
		take(strtoul(argv[5], NULL, 10));
		wait_for_go(&page->ready);
	}
	if (threads == 2 && pthread_create(&other, NULL, leak, (void *)1) != 0)
		fail("pthread_create");
	leak((void *)0);
	if (threads == 2)
		pthread_join(other, NULL);
	return 3;
}
