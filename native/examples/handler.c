/* SPDX-License-Identifier: MIT */
/* A designated handler (dist/docs/handler-protocol.md): kills the largest process that it may. Inside the group too: behind start() it needs
 * no memory. cc -O2 -o handler handler.c; ./handler GUARD GROUP_DIRECTORY [SOCKET] */
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

static int door, event, control, current, high, stat; /* v1 has the third, v2 those behind it */
static const struct designate_page *page;
static struct designate_process now[DESIGNATE_PROCESSES];

static uint64_t number(int file, const char *key)
{
	char text[4096] = "", *at = pread(file, text, 4095, 0) < 0 ? NULL : strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* v2: what is in use, but for file memory and what CPUs have in stock, has met memory.high (0: "max"). */
static uint64_t is_in_oom(void)
{
	uint64_t mark = number(high, ""), used = number(current, "") + (5 << 18);
	uint64_t file = number(stat, "inactive_file ") + number(stat, "\nactive_file ");

	return control < 0 ? mark && used >= mark + file : number(control, "under_oom ");
}

/* A copy of the ranking that was not written meanwhile. Where reprieve is stopped in the middle of it, as it is. */
static unsigned look(void)
{
	uint32_t before, n = 1000;

	do {
		before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
		memcpy(now, page->process, sizeof(now));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((before & 1 || before != __atomic_load_n(&page->sequence, __ATOMIC_RELAXED)) &&
		 --n);
	return page->processes < DESIGNATE_PROCESSES ? page->processes : DESIGNATE_PROCESSES;
}

/* kill() needs no memory, pidfd_open() does. What is not ours the kernel does not let us kill. */
static void relieve(void)
{
	while (is_in_oom()) {
		int n = (int)look(), me = getpid(), i = 0;

		while (i < n && ((int)now[i].pid == me || kill((int)now[i].pid, SIGKILL)))
			i++;
		for (int ms = 0; ms < (i < n ? 50 : 1) && is_in_oom(); ms++)
			usleep(1000);
	}
}

static int start(const char *guard, const char *group, const char *path)
{
	struct designate_request q = { DESIGNATE_MAGIC, DESIGNATE_VERSION, DESIGNATE_ME, 0, 0, "" };
	struct designate_answer answer = { 0 };
	struct sockaddr_un at = { AF_UNIX, "" };
	_Alignas(8) int got[6]; /* a struct cmsghdr, the event, the page */
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { NULL, 0, &iov, 1, got, sizeof(got), 0 };

	snprintf(q.guard, sizeof(q.guard), "%s", guard);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(door, (struct sockaddr *)&at, sizeof(at)) || chdir(group) ||
	    send(door, &q, sizeof(q), MSG_NOSIGNAL) < 0 || recvmsg(door, &msg, 0) < 0)
		return perror(guard), 1;
	if (answer.type != DESIGNATE_ACCEPTED)
		return fprintf(stderr, "%s: refused: %s\n", guard, answer.text), 1;
	event = got[4];
	control = open("memory.oom_control", O_RDONLY | O_CLOEXEC);
	current = open("memory.current", O_RDONLY | O_CLOEXEC);
	high = open("memory.high", O_RDONLY | O_CLOEXEC);
	stat = open("memory.stat", O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, DESIGNATE_PAGE_BYTES, PROT_READ, MAP_SHARED, got[5], 0);
	is_in_oom(); /* read once: the kernel keeps the buffers */
	return page == MAP_FAILED || mlockall(MCL_CURRENT) ? perror("memory"), 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || start(argv[1], argv[2], argc > 3 ? argv[3] : "/run/reprieve/handler.sock"))
		return 1;
	struct pollfd on[] = { { event, control < 0 ? POLLPRI : POLLIN, 0 }, { door, POLLIN, 0 } };
	for (char seen[256]; poll(on, 2, -1) < 0 || !on[1].revents; relieve())
		(void)!(pread(event, seen, 256, 0) + read(event, seen, 256)); /* v2; v1 */
	return 2; /* reprieve has ended, or has cut us off */
}
