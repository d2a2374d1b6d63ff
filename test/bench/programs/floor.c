/* SPDX-License-Identifier: MIT */
/*
 * floor GROUP PAGE: the least that resolves an OOM from outside: wait, read every statm, kill the
 * largest.
 */
#define _GNU_SOURCE
#include "oom_event.h"
#include <sys/syscall.h>

static int under_oom(void) { return number_in(switch_fd, "under_oom ") == 1; }

static long resident_pages(int pid)
{
	char path[64], text[128] = "";
	long size = 0, resident = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%ld %ld", &size, &resident);
	close(fd);
	return resident;
}

/* Opens the list afresh: through a descriptor read before, v1 shows a list up to a second old. */
static int largest(const char *group)
{
	static char text[64 * 1024];
	int list = open_in(group, "cgroup.procs", O_RDONLY);
	ssize_t length = read(list, text, sizeof(text) - 1);
	long most = 0;
	int victim = 0;

	close(list);
	text[length > 0 ? length : 0] = '\0';
	for (char *at = text, *end; *at != '\0'; at = end + 1) {
		int pid = (int)strtol(at, &end, 10);
		long resident = resident_pages(pid);

		if (resident > most) {
			most = resident;
			victim = pid;
		}
		if (*end == '\0')
			break;
	}
	return victim;
}

/* Kills once and waits for the death: a victim that is dying reads as empty, and a second look
 * would take the innocent next. */
static void kill_largest(const char *group)
{
	int victim = largest(group);
	struct pollfd dead = { .fd = (int)syscall(SYS_pidfd_open, victim, 0), .events = POLLIN };

	if (victim <= 1 || dead.fd < 0)
		return;
	kill(victim, SIGKILL);
	poll(&dead, 1, -1);
	close(dead.fd);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	oom_begin(argv[1]);
	atomic_store(&page_map(argv[2])->ready, 1);
	for (;;) {
		oom_wait();
		while (under_oom())
			kill_largest(argv[1]);
	}
}
