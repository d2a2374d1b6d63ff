/* SPDX-License-Identifier: MIT */
/*
 * Thin wrappers of the system calls the core uses. Each returns what the kernel returns: >= 0 or
 * -errno.
 *
 * There is no libc below: nothing can allocate behind our back, the binary is the same on every
 * host, and a role needs 0.2 MB where static glibc needs 1.0 MB (measured). The kernel's own
 * headers give the numbers.
 */
#ifndef RPV_SYS_H
#define RPV_SYS_H

#include "sys_call.h"
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <stddef.h>
#include <stdint.h>

/* Of the calls those are used that arm64 has too. */
#define SYS0(n) sys_call(__NR_##n, 0, 0, 0, 0, 0, 0)
#define SYS1(n, a) sys_call(__NR_##n, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(n, a, b) sys_call(__NR_##n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(n, a, b, c) sys_call(__NR_##n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(n, a, b, c, d) sys_call(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS6(n, a, b, c, d, e, f) \
	sys_call(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* --- files --- */
static inline int sys_openat(int dir, const char *path, int flags, int mode)
{
	return (int)SYS4(openat, dir, path, flags | O_CLOEXEC, mode);
}
static inline int sys_open(const char *path, int flags)
{
	return sys_openat(AT_FDCWD, path, flags, 0);
}
static inline int sys_close(int fd) { return (int)SYS1(close, fd); }
static inline long sys_read(int fd, void *buf, size_t n) { return SYS3(read, fd, buf, n); }
static inline long sys_write(int fd, const void *buf, size_t n) { return SYS3(write, fd, buf, n); }
static inline long sys_pread(int fd, void *buf, size_t n, uint64_t at)
{
	return SYS4(pread64, fd, buf, n, at);
}
static inline long sys_pwrite(int fd, const void *buf, size_t n, uint64_t at)
{
	return SYS4(pwrite64, fd, buf, n, at);
}
static inline long sys_getdents(int fd, void *buf, size_t n)
{
	return SYS3(getdents64, fd, buf, n);
}
static inline long sys_readlinkat(int dir, const char *path, char *to, size_t n)
{
	return SYS4(readlinkat, dir, path, to, n);
}
static inline int sys_statx(int dir, const char *path, unsigned flags, unsigned mask,
			    struct statx *st)
{
	return (int)sys_call(__NR_statx, dir, (long)path, (long)flags, (long)mask, (long)st, 0);
}
static inline int sys_rmdir(const char *path)
{
	return (int)SYS3(unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}
static inline int sys_unlink(const char *path) { return (int)SYS3(unlinkat, AT_FDCWD, path, 0); }
static inline int sys_ftruncate(int fd, uint64_t n) { return (int)SYS2(ftruncate, fd, n); }
static inline int sys_fallocate(int fd, uint64_t n) { return (int)SYS4(fallocate, fd, 0, 0, n); }
static inline int sys_fcntl(int fd, int cmd, void *arg) { return (int)SYS3(fcntl, fd, cmd, arg); }
static inline int sys_memfd_create(const char *name, unsigned flags)
{
	return (int)SYS2(memfd_create, name, flags);
}

/* --- memory --- */
enum {
	SYS_PROT_READ = 1,
	SYS_PROT_RW = 3,
	SYS_MAP_SHARED = 1,
	SYS_MAP_PRIVATE_ANON = 0x22,
	SYS_MCL_ALL = 3
};

static inline void *sys_mmap(uint64_t n, int prot, int flags, int fd, uint64_t at)
{
	return (void *)SYS6(mmap, 0, n, prot, flags, fd, at);
}
static inline int sys_is_error(const void *p) { return (uintptr_t)p > (uintptr_t)-4096; }
static inline int sys_munmap(void *p, uint64_t n) { return (int)SYS2(munmap, p, n); }
static inline int sys_mlock(const void *p, uint64_t n) { return (int)SYS2(mlock, p, n); }
static inline int sys_madvise(uint64_t at, uint64_t n, int what)
{
	return (int)SYS3(madvise, at, n, what);
}
static inline int sys_mlockall(int flags) { return (int)SYS1(mlockall, flags); }

/* --- waiting --- */
struct sys_timespec {
	int64_t sec;
	int64_t nsec;
};

static inline struct sys_timespec sys_milliseconds(unsigned ms)
{
	return (struct sys_timespec){ ms / 1000, (int64_t)(ms % 1000) * 1000000 };
}

struct sys_epoll_event {
	uint32_t events;
	uint64_t data;
} EPOLL_PACKED;

enum {
	SYS_EPOLLIN = 1,
	SYS_EPOLLPRI = 2,
	SYS_EPOLLONESHOT = 1 << 30,
	SYS_EPOLL_ADD = 1,
	SYS_EPOLL_DEL = 2,
	SYS_EPOLL_MOD = 3,
	SYS_EFD_NONBLOCK = 04000,
	SYS_POLLIN = 1,
	SYS_POLLPRI = 2,
	SYS_CLOEXEC = 02000000
};

struct sys_pollfd {
	int fd;
	int16_t events;
	int16_t revents;
};

static inline int sys_eventfd(unsigned n, int flags)
{
	return (int)SYS2(eventfd2, n, flags | SYS_CLOEXEC);
}
static inline int sys_epoll_create(void) { return (int)SYS1(epoll_create1, SYS_CLOEXEC); }
static inline int sys_epoll_ctl(int ep, int op, int fd, struct sys_epoll_event *ev)
{
	return (int)SYS4(epoll_ctl, ep, op, fd, ev);
}
static inline int sys_epoll_wait(int ep, struct sys_epoll_event *ev, int n, int timeout_ms)
{
	return (int)SYS6(epoll_pwait, ep, ev, n, timeout_ms, 0, 0);
}
/* A timeout below 0: none. */
static inline int sys_poll(struct sys_pollfd *fds, unsigned n, int timeout_ms)
{
	struct sys_timespec ts = sys_milliseconds((unsigned)timeout_ms);

	return (int)SYS6(ppoll, fds, n, timeout_ms < 0 ? 0 : &ts, 0, 0, 0);
}

/* Sleeps while the word is `value`, until it is woken; or not at all. */
static inline void sys_futex_wait(uint32_t *word, uint32_t value)
{
	SYS4(futex, word, 128 /* FUTEX_WAIT_PRIVATE */, value, 0);
}
static inline void sys_futex_wake(uint32_t *word)
{
	SYS4(futex, word, 129 /* FUTEX_WAKE_PRIVATE */, 1, 0);
}

/* --- time --- */
enum { SYS_CLOCK_MONOTONIC = 1, SYS_CLOCK_THREAD_CPU = 3, SYS_CLOCK_BOOTTIME = 7 };

static inline int sys_clock_ns(int clock, uint64_t *ns)
{
	struct sys_timespec ts;
	int err = (int)SYS2(clock_gettime, clock, &ts);

	if (!err)
		*ns = (uint64_t)ts.sec * 1000000000u + (uint64_t)ts.nsec;
	return err;
}
/* Stands still while the host is suspended: what is left of a delay is left afterwards. */
static inline uint64_t sys_now_ns(void)
{
	uint64_t ns = 0;

	sys_clock_ns(SYS_CLOCK_MONOTONIC, &ns);
	return ns;
}
/* What a process's start time is counted in. */
static inline uint64_t sys_boot_ns(void)
{
	uint64_t ns = 0;

	sys_clock_ns(SYS_CLOCK_BOOTTIME, &ns);
	return ns;
}
/* CPU time of all threads of pid: works in a full group, allocates nothing (posix-cpu-timers.h). */
static inline int sys_cpu_of_process_ns(int pid, uint64_t *ns)
{
	return sys_clock_ns((int)(~(unsigned)pid << 3) | 2, ns);
}
static inline void sys_sleep_ms(unsigned ms)
{
	struct sys_timespec ts = sys_milliseconds(ms);

	SYS2(nanosleep, &ts, 0);
}

/* --- processes --- */
enum {
	SYS_SIGKILL = 9,
	SYS_SIGHUP = 1,
	SYS_SIGINT = 2,
	SYS_SIGQUIT = 3,
	SYS_SIGPIPE = 13,
	SYS_SIGTERM = 15,
	SYS_SIGTSTP = 20,
	SYS_SIGTTIN = 21,
	SYS_SIGTTOU = 22
};

static inline void sys_ignore_signal(int sig)
{
	struct {
		void *handler;
		uint64_t flags;
		void *restorer;
		uint64_t mask;
	} action = { (void *)1 /* SIG_IGN */, 0, 0, 0 };

	SYS4(rt_sigaction, sig, &action, 0, sizeof(action.mask));
}
static inline int sys_sysinfo(uint64_t *info) { return (int)SYS1(sysinfo, info); }
/* In bytes. */
static inline uint64_t sys_free_swap(void)
{
	enum {
		FREESWAP = 9,
		UNIT = 13
	}; /* words of struct sysinfo, sysinfo(2); the unit is 32 bits */
	uint64_t info[14] = { 0 };

	return sys_sysinfo(info) ? 0 : info[FREESWAP] * (uint32_t)info[UNIT];
}
static inline int sys_getpid(void) { return (int)SYS0(getpid); }
static inline int sys_getppid(void) { return (int)SYS0(getppid); }
static inline int sys_gettid(void) { return (int)SYS0(gettid); }
static inline int sys_kill(int pid, int sig) { return (int)SYS2(kill, pid, sig); }
static inline int sys_pidfd_open(int pid) { return (int)SYS2(pidfd_open, pid, 0); }
static inline int sys_pidfd_signal(int pidfd, int signal)
{
	return (int)SYS4(pidfd_send_signal, pidfd, signal, 0, 0);
}
static inline int sys_pidfd_kill(int pidfd) { return sys_pidfd_signal(pidfd, SYS_SIGKILL); }
static inline int sys_mrelease(int pidfd) { return (int)SYS2(process_mrelease, pidfd, 0); }
static inline int sys_pidfd_dead(int pidfd)
{
	struct sys_pollfd p = { pidfd, SYS_POLLIN, 0 };

	return sys_poll(&p, 1, 0) == 1;
}
static inline _Noreturn void sys_exit(int code)
{
	for (;;)
		SYS1(exit_group, code);
}

/* ru_minflt + ru_majflt of the calling thread, getrusage(2) RUSAGE_THREAD. */
static inline uint64_t sys_faults_of_thread(void)
{
	int64_t usage[18] = { 0 };

	SYS2(getrusage, 1, usage);
	return (uint64_t)(usage[8] + usage[9]);
}

/* Starts fn on a stack of its own in the same process: clone(2) with
 * CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM. fn must not return. The thread's id, or -errno. */
long sys_thread(void (*fn)(void), void *stack_top);

#endif
