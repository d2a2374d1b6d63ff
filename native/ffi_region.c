/* SPDX-License-Identifier: MIT */
/* The FFI library: memory that the agent shares with the helpers, and what is read there. */
#include "caps.h"
#include "explain.h"
#include "ffi.h"
#include "history.h"
#include "lock.h"
#include "log.h"
#include "replay.h"
#include "sys.h"
#include "system.h"
#include "text.h"

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
