/* SPDX-License-Identifier: MIT */
/*
 * What floor.c and minimal.c share: the OOM of a group that is held. On v1 they hold it, with the kernel's killer off
 * until SIGTERM; on v2 the bench does, by memory.high.
 */
#ifndef BENCH_OOM_EVENT_H
#define BENCH_OOM_EVENT_H

#include "page.h"
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

enum { NUMBERS_BYTES = 256 };

static int is_v2;
static int switch_fd; /* v1: memory.oom_control */
static int event_fd;  /* v1: an eventfd; v2: memory.events */

static inline void put_back(int signal_number)
{
	(void)signal_number;
	_exit(is_v2 || pwrite(switch_fd, "0", 1, 0) == 1 ? 0 : 1);
}

static inline int open_in(const char *group, const char *name, int flags)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

/* The number after `key` in a file that is open; 0: it is not there. */
static inline uint64_t number_in(int fd, const char *key)
{
	char text[NUMBERS_BYTES] = "", *at;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Switches the killer off, and has the group's OOMs counted. */
static inline void hold(const char *group)
{
	char line[64];
	int control = open_in(group, "cgroup.event_control", O_WRONLY);

	switch_fd = open_in(group, "memory.oom_control", O_RDWR);
	event_fd = eventfd(0, EFD_CLOEXEC);
	snprintf(line, sizeof(line), "%d %d", event_fd, switch_fd);
	if (event_fd < 0 || write(control, line, strlen(line)) < 0)
		fail("cgroup.event_control");
	if (write(switch_fd, "1", 1) != 1)
		fail("memory.oom_control");
}

static inline void oom_begin(const char *group)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/memory.high", group);
	is_v2 = access(path, F_OK) == 0;
	signal(SIGTERM, put_back);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (is_v2)
		event_fd = open_in(group, "memory.events", O_RDONLY);
	else
		hold(group);
	mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* Waits for the next OOM: on v2 for somebody to go over memory.high. */
static inline void oom_wait(void)
{
	static uint64_t high;
	uint64_t before = high, count;
	struct pollfd changed = { .fd = event_fd, .events = POLLPRI };

	if (!is_v2) {
		if (read(event_fd, &count, sizeof(count)) != sizeof(count))
			fail("eventfd");
		return;
	}
	while ((high = number_in(event_fd, "high ")) == before)
		poll(&changed, 1, -1);
}

#endif
