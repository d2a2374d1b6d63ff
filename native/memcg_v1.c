/* SPDX-License-Identifier: MIT */
/*
 * Hop 1, cgroup v1: Documentation/admin-guide/cgroup-v1/memory.rst, mm/memcontrol-v1.c.
 *
 * "Held" is memory.oom_control = 1. The kernel then lets a task that faults over the limit sleep,
 * and fails system calls with ENOMEM.
 */
#include "memcg_ops.h"
#include "sys.h"
#include "text.h"

static int v1_open(struct memcg *m, int may_write)
{
	m->control = memcg_open_primed(m->dir, "memory.oom_control", may_write ? O_RDWR : O_RDONLY);
	return m->control < 0 ? m->control : 0;
}

static void v1_open_counters(struct memcg *m)
{
	m->usage = memcg_open_primed(m->dir, "memory.usage_in_bytes", O_RDONLY);
	m->limit = memcg_open_primed(m->dir, "memory.limit_in_bytes", O_RDONLY);
	m->parent_oom = memcg_open_parent(m->dir);
	m->swap_usage = memcg_open_primed(m->dir, "memory.memsw.usage_in_bytes", O_RDONLY);
	m->swap_limit = memcg_open_primed(m->dir, "memory.memsw.limit_in_bytes", O_RDONLY);
}

static int read_oom(int oom_control, struct memcg_oom *oom)
{
	char buf[MEMCG_SMALL_BYTES];
	long n = sys_pread(oom_control, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	oom->held = (int)memcg_number_after(buf, buf + n, "oom_kill_disable ");
	oom->under_oom = (int)memcg_number_after(buf, buf + n, "under_oom ");
	oom->kills = (uint32_t)memcg_number_after(buf, buf + n, "oom_kill ");
	return 0;
}

/* An OOM shows in the group whose limit was hit and in all below it: where the parent shows one, it is the
 * parent's, or will be ours when that is over. */
static int v1_oom(const struct memcg *m, struct memcg_oom *oom)
{
	struct memcg_oom parent = { 0 };
	int err = read_oom(m->control, oom);

	if (err)
		return err;
	if (oom->under_oom && m->parent_oom >= 0)
		read_oom(m->parent_oom, &parent);
	oom->waiting = oom->under_oom && !parent.under_oom;
	return 0;
}

/* The kernel writes "no limit" as PAGE_COUNTER_MAX pages: LONG_MAX rounded down to a page. */
static int read_limit(int fd, uint64_t *value)
{
	int err = memcg_read_number(fd, value);

	if (!err && *value >= (uint64_t)INT64_MAX - 4095)
		*value = MEMCG_NO_LIMIT;
	return err;
}

static int v1_room(const struct memcg *m, struct memcg_room *room)
{
	int err = memcg_read_number(m->usage, &room->usage_bytes);

	if (!err)
		err = read_limit(m->limit, &room->limit_bytes);
	if (!err && m->swap_limit >= 0 && m->swap_usage >= 0) {
		err = memcg_read_number(m->swap_usage, &room->swap_usage_bytes);
		if (!err)
			err = read_limit(m->swap_limit, &room->swap_limit_bytes);
	}
	return err;
}

static uint64_t v1_swap_left(const struct memcg *m)
{
	uint64_t usage, limit, left = sys_free_swap();

	if (m->swap_limit < 0 || memcg_read_number(m->swap_usage, &usage) ||
	    read_limit(m->swap_limit, &limit))
		return left;
	if (limit <= usage)
		return 0;
	return left < limit - usage ? left : limit - usage;
}

static int read_once(int dir, const char *name, uint64_t *value)
{
	int fd = sys_openat(dir, name, O_RDONLY, 0);
	int err = fd < 0 ? fd : memcg_read_number(fd, value);

	if (fd >= 0)
		sys_close(fd);
	return err;
}

static int v1_limit_hits(const struct memcg *m, uint64_t *hits)
{
	uint64_t swap_hits = 0;
	int err = read_once(m->dir, "memory.failcnt", hits);

	read_once(m->dir, "memory.memsw.failcnt", &swap_hits); /* -ENOENT without swap accounting */
	*hits += swap_hits;
	return err;
}

static int write_byte(int fd, char c)
{
	long n = sys_pwrite(fd, &c, 1, 0);

	return n == 1 ? 0 : n < 0 ? (int)n : -EIO;
}

static int v1_hold(const struct memcg *m) { return write_byte(m->control, '1'); }

static int v1_hand_over(const struct memcg *m) { return write_byte(m->control, '0'); }

static int v1_wake(const struct memcg *m)
{
	int err = v1_hand_over(m);

	return err ? err : v1_hold(m);
}

/* "EVENTFD FD [ARGUMENT]", memory.rst sections 9 to 11. */
static struct text line_of(char *buf, size_t size, int eventfd, int fd)
{
	struct text line = text_on(buf, size);

	text_add_number(&line, (uint64_t)eventfd);
	text_add(&line, " ");
	text_add_number(&line, (uint64_t)fd);
	text_add(&line, " ");
	return line;
}

static int watch(const struct memcg *m, int eventfd, int fd, const char *argument)
{
	char buf[MEMCG_SMALL_BYTES];
	struct text line = line_of(buf, sizeof(buf), eventfd, fd);
	int control = sys_openat(m->dir, "cgroup.event_control", O_WRONLY, 0);
	long n;

	if (control < 0)
		return control;
	text_add(&line, argument);
	n = sys_write(control, buf, line.len);
	sys_close(control);
	return n < 0 ? (int)n : 0;
}

/* An eventfd that the kernel signals for `fd`. */
static int watch_by_eventfd(const struct memcg *m, int fd, const char *argument)
{
	int eventfd = sys_eventfd(0, SYS_EFD_NONBLOCK);
	int err = eventfd < 0 ? eventfd : watch(m, eventfd, fd, argument);

	if (err && eventfd >= 0)
		sys_close(eventfd);
	return err ? err : eventfd;
}

static int v1_watch_oom(const struct memcg *m) { return watch_by_eventfd(m, m->control, ""); }

/* There is no lock to wait for: at once. */
static int v1_watch_pressure(const struct memcg *m, int is_cramped)
{
	int pressure = sys_openat(m->dir, "memory.pressure_level", O_RDONLY, 0);
	int event = pressure < 0 ? pressure : watch_by_eventfd(m, pressure, "critical,local");

	(void)is_cramped;
	if (pressure >= 0)
		sys_close(pressure);
	return event;
}

static int v1_take_pressure(int event)
{
	uint64_t count;

	return sys_read(event, &count, sizeof(count)) == sizeof(count);
}

static void v1_take_event(int event) { v1_take_pressure(event); }

static void close_threshold(struct memcg_threshold *t)
{
	int *fds[] = { &t->control, &t->event, &t->usage[0], &t->usage[1] };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (*fds[i] >= 0)
			sys_close(*fds[i]);
		*fds[i] = -1;
	}
}

/* Opens the file of usage that it is about, and writes the line that tells the kernel of it. */
static void add_line(struct memcg_threshold *t, int dir, const char *usage, uint64_t bytes)
{
	int fd = sys_openat(dir, usage, O_RDONLY, 0);
	struct text line;

	t->usage[t->lines] = fd;
	line = line_of(t->line[t->lines], sizeof(*t->line), t->event, fd);
	text_add_number(&line, bytes);
	t->err = fd < 0 ? fd : t->err;
	t->lines++;
}

int memcg_begin_threshold(const struct memcg *m, const struct memcg_room *room, uint64_t left,
			  int eventfd, struct memcg_threshold *t)
{
	*t = (struct memcg_threshold){ .usage = { -1, -1 } };
	t->control = sys_openat(m->dir, "cgroup.event_control", O_WRONLY, 0);
	t->event = sys_fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
	t->err = t->control < 0 ? t->control : t->event < 0 ? t->event : 0;
	/* Memory is part of memory + swap: with one limit for both, the latter is first. */
	if (room->limit_bytes < room->swap_limit_bytes)
		add_line(t, m->dir, "memory.usage_in_bytes",
			 room->limit_bytes > left ? room->limit_bytes - left : 0);
	if (room->swap_limit_bytes != MEMCG_NO_LIMIT)
		add_line(t, m->dir, "memory.memsw.usage_in_bytes",
			 room->swap_limit_bytes > left ? room->swap_limit_bytes - left : 0);
	if (t->err)
		close_threshold(t);
	return t->err;
}

int memcg_end_threshold(struct memcg_threshold *t)
{
	for (uint32_t i = 0; i < t->lines && !t->err; i++) {
		long n = sys_write(t->control, t->line[i], text_len(t->line[i]));

		t->err = n < 0 ? (int)n : 0;
	}
	close_threshold(t);
	return t->err;
}

const struct memcg_ops memcg_v1 = {
	.open = v1_open,
	.open_counters = v1_open_counters,
	.oom = v1_oom,
	.room = v1_room,
	.hold = v1_hold,
	.hand_over = v1_hand_over,
	.wake = v1_wake,
	.watch_oom = v1_watch_oom,
	.take_event = v1_take_event,
	.watch_pressure = v1_watch_pressure,
	.swap_left = v1_swap_left,
	.take_pressure = v1_take_pressure,
	.limit_hits = v1_limit_hits,
	.limit = "memory.limit_in_bytes",
	.swap_limit = "memory.memsw.limit_in_bytes",
	.anon = "\ntotal_rss ",
	.inactive_file = "\ntotal_inactive_file ",
	.active_file = "\ntotal_active_file ",
	.event_mask = SYS_EPOLLIN,
};
