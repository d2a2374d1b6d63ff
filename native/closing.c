/* SPDX-License-Identifier: MIT */
/*
 * Closes a connection to the door. A descriptor that the client has sent may be queued in it, and whoever closes that last
 * waits for as long as the client likes: SO_LINGER, a file system of his. From Linux 6.16 on none can be sent. Before, a
 * child keeps a copy, so that the last close is the child's, at its end.
 */
#include "door.h"
#include "sys_socket.h"

enum { SIGCHLD = 17, NO_MORE = 0x7fffffff };

static int refuses_descriptors;

void closing_prepare(void)
{
	int passes;

	refuses_descriptors =
		!sys_getsockopt(FD_LISTEN, SYS_SO_PASSRIGHTS, &passes, sizeof(passes)) && !passes;
	sys_ignore_signal(SIGCHLD); /* nobody waits for the children */
}

int closing_is_plain(void) { return refuses_descriptors; }

static void close_range(int from, int to)
{
	if (from <= to)
		SYS3(close_range, from, to, 0);
}

/* Holds nothing of ours while it ends. */
static _Noreturn void outlive(int fd, int go)
{
	int low = fd < go ? fd : go, high = fd < go ? go : fd;
	uint64_t count;

	close_range(0, low - 1);
	close_range(low + 1, high - 1);
	close_range(high + 1, NO_MORE);
	sys_read(go, &count, sizeof(count));
	sys_exit(0);
}

void closing_close(int fd)
{
	int go = refuses_descriptors ? -1 : sys_eventfd(0, 0);
	long child = go < 0 ? -1 : SYS6(clone, SIGCHLD, 0, 0, 0, 0, 0);

	if (!child)
		outlive(fd, go);
	sys_close(fd);
	if (go < 0)
		return;
	role_wake(go);
	sys_close(go);
}
