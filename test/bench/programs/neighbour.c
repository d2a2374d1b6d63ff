/* SPDX-License-Identifier: MIT */
/*
 * neighbour PAGE BYTES PACE_US: the well-behaved program beside the leaker.
 *
 * Each turn it gives BYTES back and touches them again, and makes a few system calls that
 * allocate. A turn is due PACE_US after the last one was (0: at once); its stall is the time from
 * due to done, so waiting to run counts. A failed call is counted and not repeated.
 */
#define _GNU_SOURCE
#include "page.h"

static struct page *page;
static uint64_t failed;

/* Opens a file, reads it into a page not yet there, and sends a byte through a new pipe. */
static void make_calls(char *fresh)
{
	int ends[2];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		failed++;
	} else {
		failed += read(fd, fresh, 64) < 0;
		close(fd);
	}
	if (pipe2(ends, O_CLOEXEC) != 0) {
		failed++;
		return;
	}
	failed += write(ends[1], "x", 1) != 1;
	close(ends[0]);
	close(ends[1]);
}

/* The longest turn that ended after the leaker's last good touch: a turn is forgotten when the
 * leaker goes on after it, for then it waited for a CPU and not for memory. */
static void count_turn(uint64_t due, uint64_t done)
{
	static uint64_t longest_done;
	uint64_t touch = atomic_load(&page->touch_ns[0]);

	if (touch > longest_done)
		atomic_store(&page->longest_ns, 0);
	if (done > touch && done - due > atomic_load(&page->longest_ns)) {
		atomic_store(&page->longest_ns, done - due);
		longest_done = done;
	}
}

static void sleep_until(uint64_t due_ns)
{
	struct timespec due = { .tv_sec = (time_t)(due_ns / 1000000000u),
				.tv_nsec = (long)(due_ns % 1000000000u) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) != 0)
		;
}

int main(int argc, char **argv)
{
	size_t bytes;
	uint64_t pace_ns, due;
	char *arena;

	if (argc != 4)
		return 64;
	page = page_map(argv[1]);
	bytes = strtoul(argv[2], NULL, 10);
	pace_ns = strtoul(argv[3], NULL, 10) * 1000u;
	arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		fail("mmap");
	wait_for_go(&page->neighbour_pid);
	for (due = now_ns();;) {
		uint64_t failed_before = failed, measuring, done;

		if (pace_ns != 0)
			sleep_until(due);
		madvise(arena, bytes, MADV_DONTNEED);
		make_calls(arena);
		for (size_t at = 0; at < bytes; at += PAGE_BYTES)
			*(volatile char *)(arena + at) = 1;
		done = now_ns();
		measuring = atomic_load(&page->measuring);
		if (measuring != 0) {
			count_turn(due, done);
			atomic_fetch_add(&page->failed_calls, failed - failed_before);
		}
		if (measuring == MEASURE_LAST_TURN)
			atomic_store(&page->finished, 1);
		due = pace_ns != 0 && due + pace_ns > done ? due + pace_ns : done;
	}
}
