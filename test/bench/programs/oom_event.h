/* SPDX-License-Identifier: MIT */
/*
 * What floor.c and minimal.c share: the group's OOM event, with the kernel's killer off until
 * SIGTERM.
 */
#ifndef BENCH_OOM_EVENT_H
#define BENCH_OOM_EVENT_H

#include "page.h"
#include <string.h>
#include <sys/eventfd.h>

static int switch_fd;

static inline void put_back(int signal_number)
{
	(void)signal_number;
	_exit(pwrite(switch_fd, "0", 1, 0) == 1 ? 0 : 1);
}

static inline int open_in(const char *group, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

/* Returns an eventfd that counts the group's OOMs; the killer is off from here on. */
static inline int oom_event(const char *group)
{
	int control = -1, event = eventfd(0, EFD_CLOEXEC);
	char line[64], path[512];

	switch_fd = open_in(group, "memory.oom_control");
	snprintf(path, sizeof(path), "%s/cgroup.event_control", group);
	control = open(path, O_WRONLY | O_CLOEXEC);
	snprintf(line, sizeof(line), "%d %d", event, switch_fd);
	if (event < 0 || control < 0 || write(control, line, strlen(line)) < 0)
		fail("cgroup.event_control");
	signal(SIGTERM, put_back);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (write(switch_fd, "1", 1) != 1)
		fail("memory.oom_control");
	mlockall(MCL_CURRENT | MCL_FUTURE);
	return event;
}

#endif
