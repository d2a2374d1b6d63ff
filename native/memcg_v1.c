/* SPDX-License-Identifier: MIT */
/*
 * Hop 1, cgroup v1: Documentation/admin-guide/cgroup-v1/memory.rst, mm/memcontrol-v1.c.
 *
 * "Held" is memory.oom_control = 1. The kernel then lets a task that faults over the limit sleep,
 * and fails system calls with ENOMEM.
 */
#include "limits.h"
#include "memcg.h"
#include "sys.h"
#include "text.h"

enum { SMALL_BYTES = 128, STAT_BYTES = 4096 };

static const struct memcg none = { -1, -1, -1, -1, -1, -1, -1, -1 };

/* Opens DIR/name and reads it once. */
static int open_primed(int dir, const char *name, int flags)
{
	char buf[STAT_BYTES];
	int fd = sys_openat(dir, name, flags, 0);
	long n;

	if (fd < 0)
		return fd;
	n = sys_pread(fd, buf, sizeof(buf), 0);
	if (n < 0) {
		sys_close(fd);
		return (int)n;
	}
	return fd;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
}

int memcg_open(struct memcg *m, int dir, int may_write)
{
	*m = none;
	if (dir < 0)
		return dir;
	m->dir = dir;
	m->oom_control = open_primed(dir, "memory.oom_control", may_write ? O_RDWR : O_RDONLY);
	if (m->oom_control >= 0)
		return 0;
	sys_close(dir);
	return m->oom_control;
}

int memcg_open_counters(struct memcg *m)
{
	int err;

	if (m->stat >= 0)
		return 0;
	m->usage = open_primed(m->dir, "memory.usage_in_bytes", O_RDONLY);
	m->limit = open_primed(m->dir, "memory.limit_in_bytes", O_RDONLY);
	m->stat = open_primed(m->dir, "memory.stat", O_RDONLY);
	m->parent_oom = open_primed(m->dir, "../memory.oom_control", O_RDONLY);
	m->swap_usage = open_primed(m->dir, "memory.memsw.usage_in_bytes", O_RDONLY);
	m->swap_limit = open_primed(m->dir, "memory.memsw.limit_in_bytes", O_RDONLY);
	err = m->usage < 0 ? m->usage : m->limit < 0 ? m->limit : m->stat < 0 ? m->stat : 0;
	if (err)
		memcg_close_counters(m);
	return err ? err : 1;
}

void memcg_close_counters(struct memcg *m)
{
	int *fds[] = { &m->usage,      &m->limit,      &m->stat,
		       &m->parent_oom, &m->swap_usage, &m->swap_limit };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close_fd(fds[i]);
}

void memcg_close(struct memcg *m)
{
	memcg_close_counters(m);
	close_fd(&m->oom_control);
	close_fd(&m->dir);
}

static uint64_t number_after(const char *buf, const char *end, const char *key)
{
	const char *at = text_after(buf, end, key);

	return at ? text_number(&at, end) : 0;
}

static int read_oom(int oom_control, struct memcg_oom *oom)
{
	char buf[SMALL_BYTES];
	long n = sys_pread(oom_control, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	oom->held = (int)number_after(buf, buf + n, "oom_kill_disable ");
	oom->under_oom = (int)number_after(buf, buf + n, "under_oom ");
	oom->kills = (uint32_t)number_after(buf, buf + n, "oom_kill ");
	return 0;
}

/* An OOM shows in the group whose limit was hit and in all below it: where the parent shows one, it is the
 * parent's, or will be ours when that is over. */
int memcg_oom(const struct memcg *m, struct memcg_oom *oom)
{
	struct memcg_oom parent = { 0 };
	int err = read_oom(m->oom_control, oom);

	if (err)
		return err;
	if (oom->under_oom && m->parent_oom >= 0)
		read_oom(m->parent_oom, &parent);
	oom->waiting = oom->under_oom && !parent.under_oom;
	return 0;
}

static int read_number(int fd, uint64_t *value)
{
	char buf[SMALL_BYTES];
	const char *at = buf;
	long n = sys_pread(fd, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	*value = text_number(&at, buf + n);
	return 0;
}

/* The kernel writes "no limit" as PAGE_COUNTER_MAX pages: LONG_MAX rounded down to a page. */
static int read_limit(int fd, uint64_t *value)
{
	int err = read_number(fd, value);

	if (!err && *value >= (uint64_t)INT64_MAX - 4095)
		*value = MEMCG_NO_LIMIT;
	return err;
}

int memcg_room(const struct memcg *m, struct memcg_room *room)
{
	int err = read_number(m->usage, &room->usage_bytes);

	if (!err)
		err = read_limit(m->limit, &room->limit_bytes);
	room->swap_usage_bytes = 0;
	room->swap_limit_bytes = MEMCG_NO_LIMIT;
	if (!err && m->swap_limit >= 0 && m->swap_usage >= 0) {
		err = read_number(m->swap_usage, &room->swap_usage_bytes);
		if (!err)
			err = read_limit(m->swap_limit, &room->swap_limit_bytes);
	}
	return err;
}

int memcg_anon(const struct memcg *m, uint64_t *bytes)
{
	char buf[STAT_BYTES];
	long n = sys_pread(m->stat, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	*bytes = number_after(buf, buf + n, "total_rss ");
	return 0;
}

int memcg_reclaimable(const struct memcg *m, uint64_t *bytes)
{
	char buf[STAT_BYTES];
	long n = sys_pread(m->stat, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	*bytes = number_after(buf, buf + n, "total_inactive_file ") +
		 number_after(buf, buf + n, "total_active_file ");
	return 0;
}

static int read_once(int dir, const char *name, uint64_t *value)
{
	int fd = sys_openat(dir, name, O_RDONLY, 0);
	int err = fd < 0 ? fd : read_number(fd, value);

	if (fd >= 0)
		sys_close(fd);
	return err;
}

int memcg_limit_hits(const struct memcg *m, uint64_t *hits)
{
	uint64_t swap_hits = 0;
	int err = read_once(m->dir, "memory.failcnt", hits);

	read_once(m->dir, "memory.memsw.failcnt", &swap_hits); /* -ENOENT without swap accounting */
	*hits += swap_hits;
	return err;
}

uint64_t memcg_far_bytes(uint64_t margin_bytes) { return margin_bytes * 3 / 2; }

uint64_t memcg_left_bytes(const struct memcg_room *room)
{
	uint64_t left =
		room->limit_bytes > room->usage_bytes ? room->limit_bytes - room->usage_bytes : 0;
	uint64_t swap_left = room->swap_limit_bytes > room->swap_usage_bytes
				     ? room->swap_limit_bytes - room->swap_usage_bytes
				     : 0;

	return left < swap_left ? left : swap_left;
}

int memcg_is_full(const struct memcg_room *room) { return memcg_left_bytes(room) <= STOCK_BYTES; }

int memcg_in_oom(const struct memcg_oom *oom, const struct memcg_room *room)
{
	return oom->waiting && memcg_is_full(room);
}

static int write_byte(int fd, char c)
{
	long n = sys_pwrite(fd, &c, 1, 0);

	return n == 1 ? 0 : n < 0 ? (int)n : -EIO;
}

int memcg_hold(const struct memcg *m) { return write_byte(m->oom_control, '1'); }

int memcg_hand_over(const struct memcg *m) { return write_byte(m->oom_control, '0'); }

int memcg_wake(const struct memcg *m)
{
	int err = memcg_hand_over(m);

	return err ? err : memcg_hold(m);
}

/* "EVENTFD FD [ARGUMENT]", memory.rst sections 9 to 11. */
static int watch(const struct memcg *m, int eventfd, int fd, const char *argument)
{
	char buf[SMALL_BYTES];
	struct text line = text_on(buf, sizeof(buf));
	int control = sys_openat(m->dir, "cgroup.event_control", O_WRONLY, 0);
	long n;

	if (control < 0)
		return control;
	text_add_number(&line, (uint64_t)eventfd);
	text_add(&line, " ");
	text_add_number(&line, (uint64_t)fd);
	text_add(&line, " ");
	text_add(&line, argument);
	n = sys_write(control, buf, line.len);
	sys_close(control);
	return n < 0 ? (int)n : 0;
}

static int watch_bytes(const struct memcg *m, int eventfd, int fd, uint64_t bytes)
{
	char buf[24];
	struct text argument = text_on(buf, sizeof(buf));

	text_add_number(&argument, bytes);
	return watch(m, eventfd, fd, buf);
}

int memcg_watch_oom(const struct memcg *m, int eventfd)
{
	return watch(m, eventfd, m->oom_control, "");
}

int memcg_watch_pressure(const struct memcg *m, int eventfd)
{
	int pressure = sys_openat(m->dir, "memory.pressure_level", O_RDONLY, 0);
	int err = pressure < 0 ? pressure : watch(m, eventfd, pressure, "critical,local");

	if (pressure >= 0)
		sys_close(pressure);
	return err;
}

int memcg_watch_left(const struct memcg *m, const struct memcg_room *room, uint64_t left,
		     int eventfd)
{
	uint64_t at = room->limit_bytes > left ? room->limit_bytes - left : 0;
	int err = 0;

	/* Memory is part of memory + swap: with one limit for both, the latter is first. */
	if (room->limit_bytes < room->swap_limit_bytes)
		err = watch_bytes(m, eventfd, m->usage, at);
	if (!err && room->swap_limit_bytes != MEMCG_NO_LIMIT) {
		at = room->swap_limit_bytes > left ? room->swap_limit_bytes - left : 0;
		err = watch_bytes(m, eventfd, m->swap_usage, at);
	}
	return err;
}
