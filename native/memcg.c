/* SPDX-License-Identifier: MIT */
/* Hop 1: what is the same of both hierarchies. */
#include "memcg.h"
#include "limits.h"
#include "memcg_ops.h"
#include "sys.h"
#include "text.h"

static const struct memcg none = { 0, -1, -1, -1, 0, 0, 0, -1, -1, -1, -1, -1, -1 };

int memcg_open_primed(int dir, const char *name, int flags)
{
	char buf[MEMCG_STAT_BYTES];
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

int memcg_open(struct memcg *m, int dir, int may_write, const struct memcg_high *high)
{
	int err;

	*m = none;
	if (dir < 0)
		return dir;
	m->dir = dir;
	m->high = high;
	m->ops = &memcg_v1;
	err = m->ops->open(m, may_write);
	if (err == -ENOENT) {
		m->ops = &memcg_v2;
		err = m->ops->open(m, may_write);
	}
	if (err)
		memcg_close(m);
	return err;
}

int memcg_open_switch(int dir, int flags)
{
	int fd = sys_openat(dir, "memory.oom_control", flags, 0);

	return fd == -ENOENT ? sys_openat(dir, "memory.high", flags, 0) : fd;
}

int memcg_open_counters(struct memcg *m)
{
	int err;

	if (m->stat >= 0)
		return 0;
	m->stat = memcg_open_primed(m->dir, "memory.stat", O_RDONLY);
	m->ops->open_counters(m);
	err = m->usage < 0 ? m->usage : m->limit < 0 ? m->limit : m->stat < 0 ? m->stat : 0;
	if (err)
		memcg_close_counters(m);
	return err ? err : 1;
}

void memcg_close_counters(struct memcg *m)
{
	int *fds[] = { &m->usage, &m->limit, &m->stat, &m->swap_usage, &m->swap_limit };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close_fd(fds[i]);
	memcg_close_parent(m->parent_oom);
	m->parent_oom = -1;
}

void memcg_close(struct memcg *m)
{
	memcg_close_counters(m);
	close_fd(&m->events);
	close_fd(&m->control);
	close_fd(&m->dir);
}

uint64_t memcg_number_after(const char *buf, const char *end, const char *key)
{
	const char *at = text_after(buf, end, key);

	return at ? text_number(&at, end) : 0;
}

int memcg_read_number(int fd, uint64_t *value)
{
	char buf[MEMCG_SMALL_BYTES];
	const char *at = buf;
	long n = sys_pread(fd, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	*value = n && buf[0] == 'm' ? MEMCG_NO_LIMIT : text_number(&at, buf + n);
	return 0;
}

int memcg_write_number(int fd, uint64_t value)
{
	char buf[24];
	struct text number = text_on(buf, sizeof(buf));
	long n;

	if (value == MEMCG_NO_LIMIT)
		text_add(&number, "max");
	else
		text_add_number(&number, value);
	n = sys_pwrite(fd, buf, number.len, 0);
	return n < 0 ? (int)n : 0;
}

int memcg_reclaim(const struct memcg *m, uint64_t bytes)
{
	int fd = sys_openat(m->dir, "memory.reclaim", O_WRONLY, 0);

	if (fd < 0)
		return fd;
	memcg_write_number(fd, bytes);
	sys_close(fd);
	return 0;
}

int memcg_is_v2(const struct memcg *m) { return m->ops == &memcg_v2; }

int memcg_has_mark(const struct memcg *m) { return memcg_is_v2(m) && !memcg_is_before(m); }

int memcg_is_whole(int dir)
{
	char byte = '0';
	int fd = sys_openat(dir, "memory.oom.group", O_RDONLY, 0);

	if (fd < 0)
		return 0;
	sys_pread(fd, &byte, 1, 0);
	sys_close(fd);
	return byte == '1';
}

uint32_t memcg_patience(const struct memcg *m) { return memcg_is_v2(m) ? V2_PATIENCE : 1; }

int memcg_read_switch(const struct memcg *m, uint64_t *bytes)
{
	return memcg_read_number(m->control, bytes);
}

int memcg_oom(const struct memcg *m, struct memcg_oom *oom)
{
	int err;

	oom->anon_bytes = 0;
	err = m->ops->oom(m, oom);
	return err || !memcg_is_before(m) ? err : memcg_before_oom(m, oom);
}

int memcg_usage(const struct memcg *m, uint64_t *bytes)
{
	return memcg_read_number(m->usage, bytes);
}

int memcg_limits(const struct memcg *m, struct memcg_room *room)
{
	room->high_bytes = room->swap_limit_bytes = MEMCG_NO_LIMIT;
	room->swap_usage_bytes = 0;
	return m->ops->room(m, room);
}

int memcg_room(const struct memcg *m, struct memcg_room *room)
{
	return memcg_is_before(m) ? memcg_before_room(m, room) : memcg_limits(m, room);
}

/* What memory.stat says behind the keys, up to NULL, together. */
static int add_stat(const struct memcg *m, const char *const keys[], uint64_t *bytes)
{
	char buf[MEMCG_STAT_BYTES];
	long n = sys_pread(m->stat, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	for (*bytes = 0; *keys; keys++)
		*bytes += memcg_number_after(buf, buf + n, *keys);
	return 0;
}

int memcg_anon(const struct memcg *m, uint64_t *bytes)
{
	return add_stat(m, (const char *const[]){ m->ops->anon, 0 }, bytes);
}

int memcg_reclaimable(const struct memcg *m, uint64_t *bytes)
{
	const char *const keys[] = { m->ops->inactive_file, m->ops->active_file, 0 };

	return add_stat(m, keys, bytes);
}

uint64_t memcg_far_bytes(uint64_t margin_bytes) { return margin_bytes * 3 / 2; }

static uint64_t left_under(uint64_t limit, uint64_t usage)
{
	return limit > usage ? limit - usage : 0;
}

uint64_t memcg_left_bytes(const struct memcg_room *room)
{
	uint64_t left = left_under(room->limit_bytes, room->usage_bytes);
	uint64_t high_left = left_under(room->high_bytes, room->usage_bytes);
	uint64_t swap_left = left_under(room->swap_limit_bytes, room->swap_usage_bytes);

	left = left < high_left ? left : high_left;
	return left < swap_left ? left : swap_left;
}

int memcg_is_full(const struct memcg_room *room) { return memcg_left_bytes(room) <= STOCK_BYTES; }

int memcg_is_cramped(const struct memcg *m, const struct memcg_oom *oom,
		     const struct memcg_room *room)
{
	uint64_t left = memcg_is_before(m) ? memcg_before_left_bytes(m)
			: oom->held	   ? memcg_left_bytes(room)
					   : left_under(room->limit_bytes, room->usage_bytes);

	return left <= CRAMPED_BYTES;
}

int memcg_in_oom(const struct memcg_oom *oom, const struct memcg_room *room)
{
	return oom->waiting && memcg_is_full(room);
}

int memcg_is_inside(const struct memcg *m, const struct memcg_oom *oom,
		    const struct memcg_room *room, uint64_t bytes)
{
	return (memcg_has_mark(m) ? oom->spare_bytes : memcg_left_bytes(room)) <= bytes;
}

int memcg_hold(const struct memcg *m)
{
	return memcg_is_before(m) ? memcg_before_hold(m, 1) : m->ops->hold(m);
}

int memcg_hand_over(const struct memcg *m)
{
	return memcg_is_before(m) ? memcg_before_hold(m, 0) : m->ops->hand_over(m);
}

int memcg_is_owners(const struct memcg *m)
{
	return memcg_has_mark(m) && m->high && m->high->ours_bytes == m->high->before_bytes;
}

int memcg_put_back(const struct memcg *m)
{
	struct memcg_oom oom;
	int err = memcg_oom(m, &oom);

	if (err || !oom.held || memcg_is_owners(m))
		return err;
	err = memcg_hand_over(m);
	return err ? err : 1;
}

int memcg_wake(const struct memcg *m) { return memcg_is_before(m) ? 0 : m->ops->wake(m); }

int memcg_limit_hits(const struct memcg *m, uint64_t *hits)
{
	return m->ops->limit_hits ? m->ops->limit_hits(m, hits) : -EOPNOTSUPP;
}

uint32_t memcg_event_mask(const struct memcg *m) { return m->ops->event_mask; }

int memcg_watch_oom(const struct memcg *m) { return m->ops->watch_oom(m); }

void memcg_take_event(const struct memcg *m, int event) { m->ops->take_event(event); }

uint32_t memcg_deaf_ms(const struct memcg_oom *oom)
{
	uint64_t ms = oom->spare_bytes / GROWTH_BYTES_PER_MS;

	return ms < NEAR_TICK_MS ? (uint32_t)ms : NEAR_TICK_MS;
}

int memcg_hear(const struct memcg *m, int event, int epoll, uint64_t data)
{
	struct sys_pollfd now = { event, SYS_POLLPRI, 0 };
	struct sys_epoll_event ev = { m->ops->event_mask, data };

	if (sys_poll(&now, 1, 0) == 1) {
		memcg_take_event(m, event);
		return 1;
	}
	sys_epoll_ctl(epoll, SYS_EPOLL_MOD, event, &ev);
	return 0;
}

int memcg_watch_pressure(const struct memcg *m, int is_cramped)
{
	return m->ops->watch_pressure(m, is_cramped);
}

int memcg_take_pressure(const struct memcg *m, int event)
{
	return event > 0 && m->ops->take_pressure(event);
}
