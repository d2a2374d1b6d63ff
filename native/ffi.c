/* SPDX-License-Identifier: MIT */
/*
 * The FFI library: what the agent may ask of the native side, through bun:ffi. Every function
 * returns >= 0 or -errno unless it says otherwise. It shares the core's sources and, like it,
 * needs no libc.
 */
#include "caps.h"
#include "explain.h"
#include "freezer.h"
#include "glob.h"
#include "history.h"
#include "ledger.h"
#include "listen.h"
#include "lock.h"
#include "log.h"
#include "memcg.h"
#include "rank.h"
#include "replay.h"
#include "signals.h"
#include "sys.h"
#include "sys_socket.h"
#include "system.h"
#include "text.h"

#define EXPORT __attribute__((visibility("default")))

static uint64_t page_up(uint64_t bytes) { return (bytes + 4095) & ~4095ull; }

/* A file that was not there, all of it allocated: it can be read when all of ours are dead. Its lock is held by whoever of ours
 * lives. */
static int create_region_file(const char *path, uint64_t bytes)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	int err = fd < 0 ? fd : sys_fallocate(fd, bytes);

	if (!err)
		err = lock_take(fd);
	if (!err || fd < 0)
		return fd;
	sys_unlink(path);
	sys_close(fd);
	return err;
}

static int create_memfd(const char *name, uint64_t bytes)
{
	int fd = sys_memfd_create(name, 1 /* MFD_CLOEXEC */);
	int err = fd < 0 ? fd : sys_ftruncate(fd, bytes);

	if (err && fd >= 0)
		sys_close(fd);
	return err ? err : fd;
}

/* Makes the region, sized, zeroed, its head filled; `file`: where, on tmpfs; NULL: a memfd. `ranked`: with rankings for the door;
 * `ordered`: with standing orders other than "kill"; `recorded`: with a flight recorder; `weighings`: so many different lists of what
 * processes count for. */
EXPORT int rpv_region_create(const char *file, uint64_t run, uint32_t guards_max,
			     uint32_t agent_pid, int ranked, int ordered, int recorded,
			     uint32_t weighings)
{
	uint64_t standing = sizeof(struct region) + guards_max * sizeof(struct guard);
	uint64_t records = standing + (ordered ? guards_max * sizeof(struct standing) : 0);
	uint64_t control = page_up(records + log_bytes(guards_max));
	uint64_t recorder = control + (ranked ? page_up(guards_max * sizeof(struct ranking)) : 0);
	uint64_t past = recorder + page_up(sizeof(struct recorder));
	uint64_t lists = past + (ordered ? page_up(PROCS_MAX * sizeof(uint32_t)) : 0);
	uint64_t frames = lists + page_up(weighings * sizeof(struct weighing));
	struct region head = {
		.magic = REGION_MAGIC,
		.layout = REGION_LAYOUT,
		.guards_max = guards_max,
		.size_bytes = frames + (recorded ? page_up(sizeof(struct frames)) : 0),
		.control_bytes = control,
		.standing_offset = ordered ? standing : 0,
		.recorder_offset = recorder,
		.past_offset = ordered ? past : 0,
		.weighings_offset = lists,
		.frames_offset = recorded ? frames : 0,
		.weighings = weighings,
		.agent_pid = agent_pid,
		.owner = ROLE_WATCHDOG,
		.sleeps_in = "mem_cgroup_oom_synchronize",
		.run = run,
	};
	int fd = file ? create_region_file(file, head.size_bytes)
		      : create_memfd("reprieve-region", head.size_bytes);

	log_place(&head, records);
	if (fd < 0 || sys_pwrite(fd, &head, offsetof(struct region, helpers), 0) >= 0)
		return fd;
	sys_close(fd);
	return -EIO;
}

/* CLOCK_MONOTONIC, as the logs have it. */
EXPORT uint64_t rpv_now_ns(void) { return sys_now_ns(); }

/* Maps the whole region, shared. The control part is locked as far as allowed. NULL on failure. */
EXPORT void *rpv_region_map(int fd)
{
	struct region *r = sys_mmap(sizeof(*r), SYS_PROT_RW, SYS_MAP_SHARED, fd, 0);
	uint64_t size, control;

	if (sys_is_error(r))
		return NULL;
	size = r->size_bytes;
	control = r->control_bytes;
	sys_munmap(r, sizeof(*r));
	r = sys_mmap(size, SYS_PROT_RW, SYS_MAP_SHARED, fd, 0);
	if (sys_is_error(r))
		return NULL;
	sys_mlock(r, control);
	return r;
}

/* The same of another reprieve's, to be read only. NULL where that fails, and where it is of another version. */
EXPORT const void *rpv_region_view(int fd)
{
	const struct region *r = sys_mmap(sizeof(*r), SYS_PROT_READ, SYS_MAP_SHARED, fd, 0);
	uint64_t size;
	int is_known;

	if (sys_is_error(r))
		return NULL;
	is_known = r->magic == REGION_MAGIC && r->layout == REGION_LAYOUT;
	size = is_known ? r->size_bytes : 0;
	sys_munmap((void *)r, sizeof(*r));
	if (!is_known)
		return NULL;
	r = sys_mmap(size, SYS_PROT_READ, SYS_MAP_SHARED, fd, 0);
	return sys_is_error(r) ? NULL : r;
}

/* What is known of a guard's processes, of a region that was mapped: how many they are. */
EXPORT uint32_t rpv_explain(const void *region, uint32_t guard, void *out, uint32_t most)
{
	return explain(region, guard, out, most);
}

/* The flight recorder of a region that was mapped (history.h), read into `history`. 0: there is none. */
EXPORT int rpv_history_open(void *history, const void *region, uint32_t guard, uint64_t since_us)
{
	return history_open(history, region, guard, since_us);
}

EXPORT int rpv_history_next(void *history) { return history_next(history); }

EXPORT void rpv_history_who(const void *history, uint32_t who, void *out)
{
	memcpy(out, history_who(history, who), sizeof(struct snapshot));
}

/* Whom orders would have killed (replay.h): how many may be, and their numbers in `order`. */
EXPORT uint32_t rpv_replay(void *processes, uint32_t n, uint32_t by, const void *weighing,
			   uint32_t *order)
{
	return replay_rank(processes, n, by < RANKS ? (enum rank_by)by : RANK_LARGEST, weighing,
			   order);
}

/* Kills of the last hour, as the caps count them: in a guard's group, or by all guards (UINT32_MAX). */
EXPORT uint32_t rpv_hour_kills(void *region, uint32_t guard)
{
	struct region *r = region;
	const struct standing *st = guard == UINT32_MAX ? NULL : standing_of(r, guard);

	if (guard == UINT32_MAX)
		return caps_kills(&r->hour, sys_now_ns());
	return st ? caps_kills(&st->hour, sys_now_ns()) : 0;
}

/* The memfd of a system guard: its page, sized and zeroed, its head filled. */
EXPORT int rpv_system_create(uint32_t agent_pid)
{
	enum { LOG_AT = offsetof(struct system_page, log) };
	struct system_head head = { .magic = SYSTEM_MAGIC,
				    .layout = SYSTEM_LAYOUT,
				    .agent_pid = agent_pid };
	struct log log = { .size = LOG_RECORDS,
			   .records_at = offsetof(struct system_page, records) - LOG_AT };
	int fd = create_memfd("reprieve-system", sizeof(struct system_page));

	if (fd < 0 || (sys_pwrite(fd, &head, sizeof(head), 0) >= 0 &&
		       sys_pwrite(fd, &log, sizeof(log), LOG_AT) >= 0))
		return fd;
	sys_close(fd);
	return -EIO;
}

/* NULL on failure. */
EXPORT void *rpv_system_map(int fd)
{
	void *page = sys_mmap(sizeof(struct system_page), SYS_PROT_RW, SYS_MAP_SHARED, fd, 0);

	return sys_is_error(page) ? NULL : page;
}

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

/* The lock against a second reprieve: a descriptor to be kept, -EAGAIN when another one guards
 * the group. */
EXPORT int rpv_group_lock(const char *path)
{
	int dir = sys_open(path, O_RDONLY | O_DIRECTORY);
	int fd = dir < 0 ? dir : memcg_open_switch(dir, O_RDWR);
	int err;

	if (dir >= 0)
		sys_close(dir);
	if (fd < 0)
		return fd;
	err = lock_take(fd);
	if (err) {
		sys_close(fd);
		return err;
	}
	return fd;
}

EXPORT int rpv_ledger_create(const char *file, uint32_t guards_max)
{
	return ledger_create(file, guards_max);
}

EXPORT int rpv_ledger_add(int fd, uint32_t index, const char *path, int owned)
{
	return ledger_add(fd, index, path, owned);
}

EXPORT int rpv_ledger_remove(int fd, uint32_t index) { return ledger_remove(fd, index); }

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

/* 1: the reprieve of an open ledger has made a group, 0: none; -EPROTO: it is of another version. */
EXPORT int rpv_ledger_owns(int fd) { return ledger_owns(fd); }

static int find_record(int ledger, const char *path, struct ledger_record *record)
{
	struct statx st;
	int err = sys_statx(AT_FDCWD, path, 0, STATX_INO, &st);
	int got = err;

	for (uint32_t i = 0; got >= 0; i++) {
		got = ledger_read(ledger, i, record);
		if (got == 1 && record->inode == st.stx_ino)
			return 0;
	}
	return got == -ERANGE ? -ENOENT : got;
}

/* Puts the switch of the group at `path` back, as an open ledger says, where its dead or stopped watchers have left it held.
 * The caller has the lock on it. */
EXPORT int rpv_ledger_put_back(int fd, const char *path)
{
	struct ledger_record record;
	struct memcg m;
	int err = find_record(fd, path, &record);

	if (!err)
		err = memcg_open(&m, sys_open(path, O_RDONLY | O_DIRECTORY), 1, &record.high);
	if (err)
		return err;
	if (record.raised.added_bytes && memcg_open_counters(&m) >= 0)
		memcg_give_back(&m, &record.raised);
	if (record.frozen)
		freezer_thaw_child(m.dir, record.frozen);
	err = memcg_put_back(&m);
	memcg_close(&m);
	return err < 0 ? err : 0;
}

EXPORT int rpv_lock_is_held(int fd) { return lock_is_held(fd); }

EXPORT int rpv_lock_take(int fd) { return lock_take(fd); }

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
