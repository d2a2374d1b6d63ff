/* SPDX-License-Identifier: MIT */
/*
 * The page that the bench shares with its programs: one tmpfs file, prefaulted by the bench.
 *
 * Every word has one writer, named beside it, and each writer has a cache line of its own, so
 * that stamping costs nobody else anything. lib/page.ts knows the same offsets; page_map() never
 * returns NULL.
 */
#ifndef BENCH_PAGE_H
#define BENCH_PAGE_H

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define LEAK_THREADS_MAX 2
#define MEASURE_LAST_TURN 2

struct page {
	/* writer: the bench */
	_Alignas(
		64) _Atomic uint64_t measuring; /* 0: turns do not count, 1: they do, 2: one more */
	_Atomic uint64_t victim_pid;		/* whom minimal.c kills */
	/* writer: leaker.c, a word a thread */
	_Alignas(64) _Atomic uint64_t leaker_pid; /* set when it waits for SIGUSR1 */
	_Atomic uint64_t touch_ns[LEAK_THREADS_MAX];
	/* writer: witness.c */
	_Alignas(64) _Atomic uint64_t death_ns;
	/* writer: neighbour.c */
	_Alignas(64) _Atomic uint64_t neighbour_pid;
	_Atomic uint64_t longest_ns;
	_Atomic uint64_t failed_calls;
	_Atomic uint64_t finished; /* the last turn is counted */
	/* writer: crowd.c, floor.c, minimal.c; leaker.c, in a page of its own, when it holds what it was to hold before */
	_Alignas(64) _Atomic uint64_t ready;
};

_Static_assert(offsetof(struct page, victim_pid) == 8, "lib/page.ts");
_Static_assert(offsetof(struct page, leaker_pid) == 64, "lib/page.ts");
_Static_assert(offsetof(struct page, death_ns) == 128, "lib/page.ts");
_Static_assert(offsetof(struct page, neighbour_pid) == 192, "lib/page.ts");
_Static_assert(offsetof(struct page, ready) == 256, "lib/page.ts");

static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline struct page *page_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct page *page;

	if (fd < 0)
		fail(path);
	page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (page == MAP_FAILED)
		fail("mmap");
	close(fd);
	return page;
}

/* Waits for SIGUSR1 without a timer, so that a hundred waiting programs cost nothing.
 * `ready` is set when the signal can no longer kill us. */
static inline void wait_for_go(_Atomic uint64_t *ready)
{
	sigset_t set;
	int signal_number;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	atomic_store(ready, (uint64_t)getpid());
	sigwait(&set, &signal_number);
}

#endif
