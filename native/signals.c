/* SPDX-License-Identifier: MIT */
/*
 * Of the FFI library: the signals that the agent gets, as a stream of records. A handler of Bun's does not
 * learn who sent one; this one does, so that CMD gets each signal once.
 */
#include "signals.h"
#include "sys.h"

enum {
	SIGNALS = 64,
	FIRST_REAL_TIME = 34,	     /* 32 and 33 are the C library's */
	LIFTED_LEAST = 64,	     /* no dup2 for a child hits it */
	SA_FLAGS = 0x4 | 0x10000000, /* SA_SIGINFO | SA_RESTART */
	CODE = 2,		     /* siginfo_t: int signo, errno, code */
};

struct action {
	void *handler;
	uint64_t flags;
	void *restorer;
	uint64_t mask;
};

static int out = -1;

static void on_signal(int signal, const int32_t *info, void *context)
{
	struct signal_record seen = { signal, info[CODE] };

	(void)context;
	sys_write(out, &seen, sizeof(seen));
}

/* Where the kernel returns to from a handler: on x86-64 there has to be something, elsewhere it has its own. */
#if defined(__x86_64__)
enum { SA_RESTORED = SA_FLAGS | 0x4000000 /* SA_RESTORER */ };

__attribute__((naked)) static void restore(void)
{
	__asm__("mov $15, %eax\n\tsyscall"); /* __NR_rt_sigreturn */
}
#else
enum { SA_RESTORED = SA_FLAGS };

static void (*const restore)(void) = 0;
#endif

static int is_ignored(int signal)
{
	struct action now = { 0 };

	return !SYS4(rt_sigaction, signal, 0, &now, sizeof(now.mask)) && now.handler == (void *)1;
}

int signals_catch(uint64_t which)
{
	struct action action = { on_signal, SA_RESTORED, restore, 0 };
	int ends[2];
	int err = (int)SYS2(pipe2, ends, O_CLOEXEC | O_NONBLOCK);

	if (err)
		return err;
	out = sys_fcntl(ends[1], F_DUPFD_CLOEXEC, (void *)LIFTED_LEAST);
	sys_close(ends[1]);
	if (out < 0) {
		sys_close(ends[0]);
		return out;
	}
	for (int signal = 1; signal <= SIGNALS; signal++) {
		int wanted = signal >= FIRST_REAL_TIME || which >> (signal - 1) & 1;

		if (wanted && !is_ignored(signal))
			SYS4(rt_sigaction, signal, &action, 0, sizeof(action.mask));
	}
	return ends[0];
}
