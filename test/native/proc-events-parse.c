/* SPDX-License-Identifier: MIT */
/* Description: proc_events_parse() tells births, execs and deaths of processes, and nothing of any other message, however
 * long it is or says that it is. */
#include "../../native/proc_events.h"
#include "check.h"
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

enum { WIRE = 16 + 20 + 40 };

static uint8_t wire[WIRE];

static void put(struct proc_event event)
{
	struct nlmsghdr head = { .nlmsg_len = WIRE, .nlmsg_type = NLMSG_DONE };
	struct cn_msg connector = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(event) };

	memcpy(wire, &head, 16);
	memcpy(wire + 16, &connector, 20);
	memcpy(wire + 36, &event, 40);
}

/* In a buffer of that size, so that a read behind it is found. */
static struct proc_event_told parsed(long n)
{
	struct proc_event_told told = { .what = PROC_EXEC, .pid = 99 };
	uint8_t *exact = malloc(n > 0 ? (size_t)n : 1);

	for (long i = 0; i < n; i++)
		exact[i] = i < WIRE ? wire[i] : 0;
	proc_events_parse(exact, n, &told);
	free(exact);
	return told;
}

static struct proc_event fork_of(int parent, int tid, int tgid)
{
	struct proc_event event = { .what = PROC_EVENT_FORK };

	event.event_data.fork.parent_pid = parent + 1; /* a thread of it */
	event.event_data.fork.parent_tgid = parent;
	event.event_data.fork.child_pid = tid;
	event.event_data.fork.child_tgid = tgid;
	return event;
}

static void check_kinds(void)
{
	struct proc_event exec = { .what = PROC_EVENT_EXEC }, exit = { .what = PROC_EVENT_EXIT };
	struct proc_event_told told;

	put(fork_of(7, 9, 9));
	told = parsed(WIRE);
	CHECK(told.what == PROC_BORN && told.pid == 9 && told.parent == 7);
	put(fork_of(7, 10, 9));
	CHECK(parsed(WIRE).what == PROC_NOTHING);
	exec.event_data.exec.process_pid = 4;
	exec.event_data.exec.process_tgid = 3;
	put(exec);
	told = parsed(WIRE);
	CHECK(told.what == PROC_EXEC && told.pid == 3);
	exit.event_data.exit.process_pid = 5;
	exit.event_data.exit.process_tgid = 5;
	put(exit);
	told = parsed(WIRE);
	CHECK(told.what == PROC_EXITED && told.pid == 5);
	exit.event_data.exit.process_pid = 6;
	put(exit);
	CHECK(parsed(WIRE).what == PROC_NOTHING);
	exec.what = PROC_EVENT_COMM;
	put(exec);
	CHECK(parsed(WIRE).what == PROC_NOTHING);
}

static void check_lengths(void)
{
	static const uint32_t hostile[] = { 0, 1, WIRE - 1, WIRE + 1, 0x7fffffff, 0xffffffff };

	put(fork_of(7, 9, 9));
	for (long n = -11; n < WIRE; n++)
		CHECK(parsed(n).what == PROC_NOTHING && parsed(n).pid == 0);
	CHECK(parsed(WIRE + 100).what == PROC_BORN);
	for (unsigned i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		put(fork_of(7, 9, 9));
		memcpy(wire, &hostile[i], 4); /* nlmsg_len */
		CHECK(parsed(WIRE).what == PROC_NOTHING);
	}
	for (uint16_t len = 0; len < sizeof(struct proc_event); len++) {
		put(fork_of(7, 9, 9));
		memcpy(wire + 32, &len, 2); /* of what is behind cn_msg */
		CHECK(parsed(WIRE).what == PROC_NOTHING);
	}
	for (int at = 16; at < 24; at += 4) {
		put(fork_of(7, 9, 9));
		wire[at]++; /* another connector's */
		CHECK(parsed(WIRE).what == PROC_NOTHING);
	}
}

int main(void)
{
	check_kinds();
	check_lengths();
	for (unsigned seed = 1, i = 0; i < 200000; i++) {
		for (int at = 0; at < WIRE; at++)
			wire[at] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		parsed((long)(seed % (2 * WIRE)));
	}
	CHECK_DONE();
}
