/* SPDX-License-Identifier: MIT */
/* The role "probe": doctor's victim. */
#include "probe.h"
#include "log.h"
#include "sys.h"
#include "text.h"

enum { EXIT_USAGE = 64, TRIES = 4096, MCL_CURRENT_ONLY = 1, MCL_AS_TOUCHED = 7 };

static void touch(struct probe *p, uint64_t bytes)
{
	volatile char *memory;

	/* Page by page: locked as a whole it would be had in one go, past memory.high and to memory.max. */
	sys_mlockall(MCL_AS_TOUCHED);
	memory = sys_mmap(bytes, SYS_PROT_RW, SYS_MAP_PRIVATE_ANON, -1, 0);
	if (sys_is_error((const void *)memory)) { /* over RLIMIT_MEMLOCK: then it may be swapped */
		sys_mlockall(MCL_CURRENT_ONLY);
		memory = sys_mmap(bytes, SYS_PROT_RW, SYS_MAP_PRIVATE_ANON, -1, 0);
	}
	if (sys_is_error((const void *)memory))
		return;
	for (uint64_t at = 0; at < bytes; at += 4096) {
		memory[at] = 1;
		shared_store(&p->touched_bytes, at + 4096);
	}
}

/* A few calls are still served from what the group has in stock; until one fails, or TRIES. */
static void try_calls(struct probe *p, int pipe_out)
{
	static char page[4096];

	for (int i = 0; i < TRIES && p->open_result >= 0; i++)
		p->open_result = sys_open("/proc/self/stat", O_RDONLY);
	for (int i = 0; i < TRIES && p->pipe_result >= 0; i++)
		p->pipe_result = (int)sys_write(pipe_out, page, sizeof(page));
}

/* A hog that outlives doctor would keep its group. The parent may be gone before the kernel knew. */
static void die_with(const char *parent)
{
	SYS2(prctl, 1 /* PR_SET_PDEATHSIG */, SYS_SIGKILL);
	if (text_number(&parent, parent + text_len(parent)) != (uint64_t)sys_getppid())
		sys_exit(0);
}

int probe_run(char **args)
{
	struct probe *p = sys_mmap(sizeof(*p), SYS_PROT_RW, SYS_MAP_SHARED, FD_PROBE, 0);
	const char *bytes;
	int ends[2] = { -1, -1 };

	if (!args[0] || !args[1] || sys_is_error(p))
		return EXIT_USAGE;
	die_with(*args++);
	bytes = args[1];
	SYS2(pipe2, ends, 04000 /* O_NONBLOCK */);
	p->pid = (uint32_t)sys_getpid();
	sys_mlockall(SYS_MCL_ALL);
	shared_store(&p->ready, 1);
	while (!shared_load(&p->go))
		sys_sleep_ms(1);
	if (text_equal(args[0], "touch") && bytes)
		touch(p, text_number(&bytes, bytes + text_len(bytes)));
	else
		try_calls(p, ends[1]);
	shared_store(&p->done, 1);
	for (;;)
		sys_sleep_ms(1000);
}
