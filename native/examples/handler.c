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
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int door, event, oom_control;
static const struct designate_page *page;
static struct designate_process now[DESIGNATE_PROCESSES];

static int is_in_oom(void)
{
	char text[256] = "";

	(void)!pread(oom_control, text, sizeof(text) - 1, 0);
	return strstr(text, "under_oom 1") != NULL;
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
	char file[4096];

	snprintf(request.guard, sizeof(request.guard), "%s", guard);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	snprintf(file, sizeof(file), "%s/memory.oom_control", group);
	oom_control = open(file, O_RDONLY | O_CLOEXEC);
	door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (oom_control < 0 || connect(door, (struct sockaddr *)&at, sizeof(at)) ||
	    send(door, &request, sizeof(request), MSG_NOSIGNAL) < 0 || recvmsg(door, &msg, 0) < 0)
		return perror(guard), 1;
	if (answer.type != DESIGNATE_ACCEPTED)
		return fprintf(stderr, "%s: refused: %s\n", guard, answer.text), 1;
	event = got.event;
	page = mmap(NULL, DESIGNATE_PAGE_BYTES, PROT_READ, MAP_SHARED, got.page, 0);
	is_in_oom(); /* read once: the kernel keeps the buffer */
	return page == MAP_FAILED || mlockall(MCL_CURRENT) ? perror("memory"), 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || start(argv[1], argv[2], argc > 3 ? argv[3] : "/run/reprieve/handler.sock"))
		return 1;
	struct pollfd wait[] = { { event, POLLIN, 0 }, { door, POLLIN, 0 } };
	for (uint64_t count; poll(wait, 2, -1) < 0 || !wait[1].revents;)
		if (read(event, &count, sizeof(count)) == sizeof(count))
			relieve();
	return 2; /* reprieve has ended, or has cut us off */
}
