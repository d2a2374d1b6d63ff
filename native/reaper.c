/* SPDX-License-Identifier: MIT */
/*
 * The reaper calls process_mrelease for a victim that gives nothing back: it may be frozen, or get no
 * CPU. Others are left alone: a second CPU at their memory frees 200 MB in 17 ms instead of 22, but a
 * neighbour that wakes every 10 ms then stalls for 0.8 ms instead of 0.3 (measured, 2 CPUs).
 *
 * It also reads the name that each victim has now, for an exec may have changed what the sampler had read; and opens one that was
 * sent SIGTERM by his number, so that the SIGKILL is not another's who gets that.
 *
 * A thread of its own: the responder, with its real-time priority, would take the CPU from a
 * neighbour for as long as that takes.
 */
#include "handler.h"
#include "log.h"
#include "procfs.h"
#include "sys.h"
#include "text.h"

/* The last victim of a guard. */
struct hold {
	/* writer: the responder */
	uint32_t turn;	     /* release; raised by every change of what follows */
	uint32_t pid;	     /* 0: nobody */
	uint64_t start_time; /* 0: nobody has read it */
	uint64_t signal_ns;  /* boot clock, before it was sent; 0: only his name is wanted */
	/* writer: the reaper */
	uint32_t held; /* release: of which turn the pidfd is */
	int pidfd;     /* 0: none; -errno */
	char comm[COMM_BYTES];
};

static struct hold *holds; /* guards_max */

static int event;	/* wakes the reaper */
static uint64_t victim; /* writer: the responder; pid << 32 | pidfd + 1, 0: none */
static uint32_t done;	/* pid of whom `result` tells; 0: told */
static int result;	/* writer: the reaper */

/* Whoever the number stands for by now: only who is being killed is reaped. */
static int reap(uint32_t pid, int pidfd)
{
	int own = pidfd < 0 ? sys_pidfd_open((int)pid) : -1, err;

	if (pidfd < 0 && own < 0)
		return own; /* also where we live in a full group of v1: there is no memory for it */
	err = sys_mrelease(pidfd < 0 ? own : pidfd);
	if (own >= 0)
		sys_close(own);
	return err;
}

/* Read behind the opening: then both are of whoever had the number in between. */
static int open_held(struct hold *h, uint32_t pid)
{
	int pidfd = sys_pidfd_open((int)pid), proc, err;
	struct procfs_stat stat = { 0 };

	if (pidfd < 0)
		return pidfd;
	proc = procfs_open(pid);
	err = proc < 0 ? proc : procfs_read_stat(proc, &stat);
	if (proc >= 0)
		sys_close(proc);
	if (!err && (h->start_time ? stat.start_time == h->start_time
				   : procfs_was_there(stat.start_time, h->signal_ns))) {
		memcpy(h->comm, stat.comm, COMM_BYTES);
		return pidfd;
	}
	sys_close(pidfd);
	return -ESRCH;
}

/* Not out of stat: whoever reads that holds on to the memory that he gives back just then (get_task_mm(), do_task_stat()). */
static void read_name(struct hold *h)
{
	int proc = procfs_open(h->pid);
	int fd = proc < 0 ? proc : sys_openat(proc, "comm", O_RDONLY, 0);
	long n = fd < 0 ? fd : sys_read(fd, h->comm, COMM_BYTES);

	if (fd >= 0)
		sys_close(fd);
	if (proc >= 0)
		sys_close(proc);
	if (n > 0)
		h->comm[n - 1] = 0; /* a line */
}

/* Where we live in a full group of v1 there is no memory to open it. */
static void mind(struct hold *h)
{
	uint32_t turn = shared_load(&h->turn);

	if (turn == h->held)
		return;
	if (h->pidfd > 0)
		sys_close(h->pidfd);
	memset(h->comm, 0, COMM_BYTES);
	h->pidfd = 0;
	if (h->pid && h->signal_ns)
		h->pidfd = open_held(h, h->pid);
	else if (h->pid)
		read_name(h);
	shared_store(&h->held, turn);
}

static _Noreturn void reaper_loop(void)
{
	for (;;) {
		uint64_t count, asked;
		uint32_t pid;

		sys_read(event, &count, sizeof(count));
		asked = __atomic_exchange_n(&victim, 0, __ATOMIC_ACQ_REL);
		pid = (uint32_t)(asked >> 32);
		if (pid) {
			result = reap(pid, (int)(uint32_t)asked - 1);
			shared_store(&done, pid);
		}
		for (uint32_t i = 0; i < handler_guards(); i++)
			mind(&holds[i]);
	}
}

int reaper_start(void)
{
	char *stack = role_memory(REAPER_STACK_BYTES);

	holds = role_memory(handler.self.region->guards_max * sizeof(*holds));
	event = sys_eventfd(0, 0);
	return event < 0 ? event : (int)sys_thread(reaper_loop, stack + REAPER_STACK_BYTES);
}

void reaper_help(uint32_t pid, int pidfd)
{
	shared_store(&done, 0);
	shared_store(&victim, (uint64_t)pid << 32 | (uint32_t)(pidfd + 1));
	role_wake(event);
}

int reaper_result(uint32_t pid, int *of)
{
	if (!__atomic_compare_exchange_n(&done, &pid, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return 0;
	*of = result;
	return 1;
}

void reaper_hold(uint32_t guard, uint32_t pid, uint64_t start_time, uint64_t signal_ns)
{
	struct hold *h = &holds[guard];

	h->pid = pid;
	h->start_time = start_time;
	h->signal_ns = signal_ns;
	shared_store(&h->turn, h->turn + 1);
	role_wake(event);
}

void reaper_read_name(uint32_t guard, uint32_t pid) { reaper_hold(guard, pid, 0, 0); }

int reaper_held(uint32_t guard)
{
	const struct hold *h = &holds[guard];

	return shared_load(&h->held) == h->turn ? h->pidfd : -EAGAIN;
}

void reaper_name(uint32_t guard, char comm[COMM_BYTES])
{
	const struct hold *h = &holds[guard];

	if (shared_load(&h->held) == h->turn)
		memcpy(comm, h->comm, COMM_BYTES);
}

void reaper_let_go(uint32_t guard)
{
	if (holds[guard].pid)
		reaper_hold(guard, 0, 0, 0);
}
