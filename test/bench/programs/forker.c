/* SPDX-License-Identifier: MIT */
/*
 * forker PAGE RATE SECONDS: after SIGUSR1 forks RATE times a second, or as often as it gets; each child exits at once and is
 * waited for. By vfork, which copies nothing: beside the cheapest birth there is, what a listener costs shows the most.
 *
 * Says how many there were, and the CPU time of one, parent and child, in ns: what the kernel does for a listener is done in
 * there, and what others take of the CPUs is not.
 */
#define _GNU_SOURCE
#include "page.h"
#include <sys/resource.h>
#include <sys/wait.h>

static uint64_t cpu_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return 1000ull * (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) +
	       1000000000ull * (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec);
}

static __attribute__((noinline)) void bear(void)
{
	pid_t child = vfork();

	if (child < 0)
		fail("vfork");
	if (child == 0)
		_exit(0);
	if (waitpid(child, NULL, 0) < 0)
		fail("waitpid");
}

int main(int argc, char **argv)
{
	uint64_t period_ns, end_ns, due_ns, cpu_ns;
	struct page *page;
	long forks = 0;

	if (argc != 4)
		return 64;
	page = page_map(argv[1]);
	period_ns = 1000000000u / (uint64_t)strtol(argv[2], NULL, 10);
	wait_for_go(&page->leaker_pid);
	cpu_ns = cpu_of(RUSAGE_SELF);
	due_ns = now_ns();
	end_ns = due_ns + 1000000000u * (uint64_t)strtol(argv[3], NULL, 10);
	for (; now_ns() < end_ns; forks++) {
		struct timespec due = { (time_t)(due_ns / 1000000000u),
					(long)(due_ns % 1000000000u) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		due_ns += period_ns;
		bear();
	}
	cpu_ns = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) - cpu_ns;
	printf("%ld %ld\n", forks, forks ? (long)(cpu_ns / (uint64_t)forks) : 0);
	return 0;
}
