/* SPDX-License-Identifier: MIT */
/*
 * witness PAGE LEAKER ARGS...: starts the leaker, and stamps the moment its pidfd says it is dead.
 *
 * Stays outside the group, locked in memory and, where it may, ahead of everybody in the run
 * queue: the stamp is the same small time late for whoever killed. It ends when the neighbour has
 * ended the turn it is in TAIL_MS later, however long that takes, for that one may be the longest.
 * The bench waits for it and sleeps: with one CPU it would be what the neighbour waits for.
 */
#define _GNU_SOURCE
#include "page.h"
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { TAIL_MS = 30 };

static void end_neighbour(struct page *page)
{
	pid_t neighbour = (pid_t)atomic_load(&page->neighbour_pid);

	poll(NULL, 0, TAIL_MS);
	atomic_store(&page->measuring, MEASURE_LAST_TURN);
	while (neighbour != 0 && kill(neighbour, 0) == 0 && atomic_load(&page->finished) == 0)
		poll(NULL, 0, 1);
}

int main(int argc, char **argv)
{
	struct sched_param first = { .sched_priority = 1 };
	struct page *page;
	struct pollfd dead;
	pid_t child;
	int status;

	if (argc < 3)
		return 64;
	page = page_map(argv[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0)
		fail("fork");
	dead = (struct pollfd){ .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	if (dead.fd < 0)
		fail("pidfd_open");
	mlockall(MCL_CURRENT | MCL_FUTURE);
	sched_setscheduler(0, SCHED_FIFO, &first);
	while (poll(&dead, 1, -1) != 1)
		;
	atomic_store(&page->death_ns, now_ns());
	end_neighbour(page);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? 0 : WEXITSTATUS(status);
}
