/* SPDX-License-Identifier: MIT */
/* The FFI library: what the agent asks of the kernel that Bun has no call for. */
#include "ffi.h"
#include "glob.h"
#include "listen.h"
#include "signals.h"
#include "sys.h"
#include "sys_socket.h"
#include "text.h"

/* CLOCK_MONOTONIC, as the logs have it. */
EXPORT uint64_t rpv_now_ns(void) { return sys_now_ns(); }

EXPORT int rpv_glob_matches(const char *pattern, const char *text)
{
	return glob_matches(pattern, text);
}

EXPORT int rpv_eventfd(void) { return sys_eventfd(0, SYS_EFD_NONBLOCK); }

/* Its reading end does not block, its writing end does: for a child. */
EXPORT int rpv_pipe(int *ends)
{
	int err = (int)SYS2(pipe2, ends, O_CLOEXEC);

	return err ? err : sys_fcntl(ends[0], F_SETFL, (void *)O_NONBLOCK);
}

EXPORT int rpv_wake(int eventfd)
{
	uint64_t one = 1;
	long n = sys_write(eventfd, &one, sizeof(one));

	return n < 0 ? (int)n : 0;
}

EXPORT int rpv_inotify_create(void)
{
	return (int)SYS1(inotify_init1, SYS_EFD_NONBLOCK | SYS_CLOEXEC);
}

EXPORT int rpv_inotify_add(int fd, const char *path, uint32_t mask)
{
	return (int)SYS3(inotify_add_watch, fd, path, mask);
}

EXPORT int rpv_inotify_remove(int fd, int watch) { return (int)SYS2(inotify_rm_watch, fd, watch); }

EXPORT int rpv_listen(const char *dir, const char *name, uint32_t mode)
{
	return listen_at(dir, name, mode);
}

EXPORT int rpv_listen_rename(const char *dir, const char *from, const char *to)
{
	return listen_rename(dir, from, to);
}

/* One datagram to another program's socket, if that can be done at once: 0 or -errno. "@name" is an abstract one. */
EXPORT int rpv_send_datagram(const char *path, const void *bytes, uint32_t n)
{
	struct sockaddr_un at = { .sun_family = SYS_AF_UNIX };
	struct text t = text_on(at.sun_path, sizeof(at.sun_path));
	int fd = sys_socket_datagram();
	uint32_t size = sizeof(at);
	long sent;

	if (fd < 0)
		return fd;
	text_add(&t, path);
	if (*path == '@') {
		/* No byte ends it: all that is passed is the name. */
		at.sun_path[0] = 0;
		size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + t.len);
	}
	sent = t.cut ? -ENAMETOOLONG : SYS3(connect, fd, &at, size);
	if (sent >= 0)
		sent = sys_write(fd, bytes, n);
	sys_close(fd);
	return sent < 0 ? (int)sent : 0;
}

/* Becomes another program, with no environment. -errno where that fails. */
EXPORT int rpv_become(const char *path, char **argv)
{
	static char *no_env[] = { NULL };

	return (int)SYS3(execve, path, argv, no_env);
}

EXPORT int rpv_pidfd_open(int pid) { return sys_pidfd_open(pid); }

EXPORT int rpv_pidfd_signal(int pidfd, int signal) { return sys_pidfd_signal(pidfd, signal); }

EXPORT int rpv_pidfd_dead(int pidfd) { return sys_pidfd_dead(pidfd); }

/* A child that has ended, and that nobody has waited for yet; 0: there is none. */
EXPORT int rpv_zombie(void)
{
	enum {
		ANY = 0,
		PID_OF_SIGINFO = 4,
		WITHOUT_REAPING = 0x1 | 0x4 | 0x01000000 /* WNOHANG | WEXITED | WNOWAIT */
	};
	int32_t info[32] = { 0 }; /* siginfo_t has 128 bytes */

	SYS6(waitid, ANY, 0, info, WITHOUT_REAPING, 0, 0);
	return info[PID_OF_SIGINFO];
}

EXPORT int rpv_reap(int pid) { return (int)SYS4(wait4, pid, 0, 1 /* WNOHANG */, 0); }

EXPORT int rpv_signals_catch(uint64_t which) { return signals_catch(which); }

/* Gives the pages of a mapping back to the kernel; what is needed again is read again. */
EXPORT int rpv_pageout(uint64_t at, uint64_t bytes)
{
	return sys_madvise(at, bytes, 21 /* MADV_PAGEOUT */);
}

/*
 * Drops what the page cache has of a file, but for pages that somebody has mapped; before that `n` mappings of ours, each a start and a size, that
 * nobody has written to. In one go: what ran in between would have some of it mapped again, and one page holds its whole folio, of up to
 * 2 MB. What is read from now on comes in folios of one page (MADV_RANDOM).
 */
EXPORT int rpv_file_forget(const char *path, const uint64_t *mappings, uint32_t n)
{
	int fd = sys_open(path, O_RDONLY);
	int err = fd < 0 ? fd : 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		uint64_t at = mappings[2 * i], bytes = mappings[2 * i + 1];

		err = sys_madvise(at, bytes, 1 /* MADV_RANDOM */);
		if (!err)
			err = sys_madvise(at, bytes, 4 /* MADV_DONTNEED */);
	}
	if (!err)
		err = (int)SYS4(fadvise64, fd, 0, 0, 4 /* POSIX_FADV_DONTNEED */);
	if (fd >= 0)
		sys_close(fd);
	return err;
}

/* The kernel's log: the whole of it, or what comes behind its last record. A read that finds no more is -EAGAIN. */
EXPORT int rpv_kernel_log_open(int whole)
{
	int fd = sys_open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0 && !whole)
		SYS3(lseek, fd, 0, 2 /* SEEK_END */);
	return fd;
}

/* 0: pidfds are to be had here; -errno, where the kernel is too old or a filter refuses. */
EXPORT int rpv_try_pidfd(void)
{
	int fd = sys_pidfd_open(sys_getpid());

	if (fd >= 0)
		sys_close(fd);
	return fd < 0 ? fd : 0;
}

/* 0: process_mrelease is to be had: for us, who are not dying, it has EINVAL (process_mrelease(2)). */
EXPORT int rpv_try_mrelease(void)
{
	int fd = sys_pidfd_open(sys_getpid());
	int err = fd < 0 ? fd : sys_mrelease(fd);

	if (fd >= 0)
		sys_close(fd);
	return err == -EINVAL ? 0 : err;
}

/* 0: a helper will have real-time priority. Tried on the calling thread, which has its own again. */
EXPORT int rpv_try_real_time(void)
{
	int priority = 1, none = 0;
	int err = (int)SYS3(sched_setscheduler, 0, 1 /* SCHED_FIFO */, &priority);

	SYS3(sched_setscheduler, 0, 0 /* SCHED_OTHER */, &none);
	return err;
}
