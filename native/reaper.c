/* SPDX-License-Identifier: MIT */
/*
 * The reaper calls process_mrelease for the victim: two CPUs free its memory where one is idle.
 *
 * A thread of its own at nice 19: the responder, with its real-time priority, would take the CPU
 * from a neighbour for the 10 ms that freeing 100 MB costs.
 */
#include "handler.h"
#include "log.h"
#include "sys.h"

enum { NICE_LEAST = 19 };

static int event;	/* wakes the reaper */
static uint32_t victim; /* writer: the responder; pidfd + 1, 0: none */
static uint32_t done;	/* 1: `result` is new */
static int result;	/* writer: the reaper */

static _Noreturn void reaper_loop(void)
{
	SYS3(setpriority, 0, 0, NICE_LEAST);
	for (;;) {
		uint64_t count;
		uint32_t pidfd;

		sys_read(event, &count, sizeof(count));
		pidfd = __atomic_exchange_n(&victim, 0, __ATOMIC_ACQ_REL);
		if (!pidfd)
			continue;
		/* Whatever the number stands for by now: only who is being killed is reaped. */
		result = sys_mrelease((int)pidfd - 1);
		shared_store(&done, 1);
	}
}

int reaper_start(void)
{
	char *stack = role_memory(REAPER_STACK_BYTES);

	event = sys_eventfd(0, 0);
	return event < 0 ? event : (int)sys_thread(reaper_loop, stack + REAPER_STACK_BYTES);
}

void reaper_help(int pidfd)
{
	shared_store(&done, 0);
	shared_store(&victim, (uint32_t)pidfd + 1);
	role_wake(event);
}

int reaper_result(int *of)
{
	if (!__atomic_exchange_n(&done, 0, __ATOMIC_ACQ_REL))
		return 0;
	*of = result;
	return 1;
}
