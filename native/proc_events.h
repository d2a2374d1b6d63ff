/* SPDX-License-Identifier: MIT */
/*
 * Births, execs and deaths of processes, as the kernel's process connector tells them: of the whole host, in the numbers of
 * the initial pid namespace.
 *
 * Reading allocates nothing; what waits to be read is charged to no memory group (measured).
 */
#ifndef RPV_PROC_EVENTS_H
#define RPV_PROC_EVENTS_H

#include <stdint.h>

enum proc_told {
	PROC_NOTHING = 0, /* of a thread, or of no interest */
	PROC_BORN = 1,
	PROC_EXEC = 2,
	PROC_EXITED = 3, /* its leader: threads of it may live on */
};

struct proc_event_told {
	enum proc_told what;
	uint32_t pid;
	uint32_t parent; /* of one born */
};

/*
 * A descriptor, or -errno: -EPERM without CAP_NET_ADMIN (before Linux 6.6), -ECONNREFUSED in a network namespace other than
 * the first, -ENOMSG where nobody answers: in another pid or user namespace, or without CONFIG_PROC_EVENTS.
 */
int proc_events_open(void);
/* The next one. 0; -EAGAIN: none waits; -ENOBUFS: some were lost before it. */
int proc_events_next(int fd, struct proc_event_told *told);
/* Of a message of `n` bytes. Pure. */
void proc_events_parse(const void *message, long n, struct proc_event_told *told);

#endif
