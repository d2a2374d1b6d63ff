/* SPDX-License-Identifier: MIT */
/*
 * A designated handler: at OOM it kills the largest process of the group that it may. See ../HANDLER.md.
 *
 *   cc -O2 -o handler handler.c        ./handler GUARD GROUP_DIRECTORY [SOCKET]
 * It may live inside the group: behind start() it allocates nothing, opens nothing, and faults in no page.
 */
#include "../designate.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SLACK_BYTES = 5 << 18 }; /* what CPUs have in stock, and file memory too little to matter */

static int door, event, oom_control, current, high, stat; /* the first: v1 only, the others v2 */
static const struct designate_page *page;
static struct designate_process now[DESIGNATE_PROCESSES];

static uint64_t number(int file, const char *key)
{
	char text[4096] = "", *at;

	(void)!pread(file, text, sizeof(text) - 1, 0);
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* v2: what is over memory.high (0: "max") cannot be reclaimed. */
static int is_in_oom(void)
{
	uint64_t mark = number(high, ""), used = number(current, "") + SLACK_BYTES;

	return oom_control >= 0 ? number(oom_control, "under_oom ") != 0
				: mark && used >= mark + number(stat, "inactive_file ") +
							  number(stat, "\nactive_file ");
}

/* A copy of the ranking that was not written meanwhile. Where reprieve is stopped in the middle of it, as it is. */
static unsigned look(void)
{
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);

		memcpy(now, page->process, sizeof(now));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(before & 1) && before == __atomic_load_n(&page->sequence, __ATOMIC_RELAXED))
			break;
	}
	return page->processes < DESIGNATE_PROCESSES ? page->processes : DESIGNATE_PROCESSES;
}

/* kill() needs no memory, pidfd_open() does. What is not ours the kernel does not let us kill. */
static void relieve(void)
{
	while (is_in_oom()) {
		unsigned n = look(), i = 0;

		while (i < n &&
		       (now[i].pid == (uint32_t)getpid() || kill((pid_t)now[i].pid, SIGKILL)))
			i++;
		for (int ms = 0; ms < (i < n ? 50 : 1) && is_in_oom(); ms++)
			usleep(1000);
	}
}

static int start(const char *guard, const char *group, const char *path)
{
	struct designate_request request = { .magic = DESIGNATE_MAGIC,
					     .version = DESIGNATE_VERSION,
					     .type = DESIGNATE_ME };
	struct designate_answer answer = { 0 };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct {
		struct cmsghdr head;
		int event, page;
	} got;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { NULL, 0, &iov, 1, &got, sizeof(got), 0 };

	snprintf(request.guard, sizeof(request.guard), "%s", guard);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(door, (struct sockaddr *)&at, sizeof(at)) || chdir(group) ||
	    send(door, &request, sizeof(request), MSG_NOSIGNAL) < 0 || recvmsg(door, &msg, 0) < 0)
		return perror(guard), 1;
	if (answer.type != DESIGNATE_ACCEPTED)
		return fprintf(stderr, "%s: refused: %s\n", guard, answer.text), 1;
	event = got.event;
	oom_control = open("memory.oom_control", O_RDONLY | O_CLOEXEC);
	current = open("memory.current", O_RDONLY | O_CLOEXEC);
	high = open("memory.high", O_RDONLY | O_CLOEXEC);
	stat = open("memory.stat", O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, DESIGNATE_PAGE_BYTES, PROT_READ, MAP_SHARED, got.page, 0);
	is_in_oom(); /* read once: the kernel keeps the buffers */
	return page == MAP_FAILED || mlockall(MCL_CURRENT) ? perror("memory"), 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || start(argv[1], argv[2], argc > 3 ? argv[3] : "/run/reprieve/handler.sock"))
		return 1;
	struct pollfd wait[] = { { event, oom_control < 0 ? POLLPRI : POLLIN, 0 },
				 { door, POLLIN, 0 } };
	for (char seen[256]; poll(wait, 2, -1) < 0 || !wait[1].revents; relieve())
		if (pread(event, seen, sizeof(seen), 0) < 0) /* an eventfd has no position */
			(void)!read(event, seen, sizeof(uint64_t));
	return 2; /* reprieve has ended, or has cut us off */
}
