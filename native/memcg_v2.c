/* SPDX-License-Identifier: MIT */
/*
 * Hop 1, cgroup v2: Documentation/admin-guide/cgroup-v2.rst, mm/memcontrol.c.
 *
 * "Held" is memory.high where we put it, or found it. A task that is over it sleeps on its way back to user mode, up to 2 s at a
 * time (mem_cgroup_handle_over_high()); only SIGKILL wakes it.
 */
#include "limits.h"
#include "log.h"
#include "memcg_ops.h"
#include "sys.h"
#include "text.h"

/* Linux before 5.2 has no memory.events.local: the other counts children too. */
static int open_own_events(const struct memcg *m)
{
	int fd = memcg_open_primed(m->dir, "memory.events.local", O_RDONLY);

	return fd == -ENOENT ? memcg_open_primed(m->dir, "memory.events", O_RDONLY) : fd;
}

/* Not to reclaim in a write (O_NONBLOCK) is heeded since Linux 6.16. */
static int v2_open(struct memcg *m, int may_write)
{
	m->control = memcg_open_primed(m->dir, "memory.high",
				       may_write ? O_RDWR | O_NONBLOCK : O_RDONLY);
	if (m->control < 0)
		return m->control;
	m->events = memcg_open_primed(m->dir, "memory.events", O_RDONLY);
	return m->events < 0 ? m->events : 0;
}

static void v2_open_counters(struct memcg *m)
{
	m->usage = memcg_open_primed(m->dir, "memory.current", O_RDONLY);
	m->limit = memcg_open_primed(m->dir, "memory.max", O_RDONLY);
	m->swap_usage = memcg_open_primed(m->dir, "memory.swap.current", O_RDONLY);
	m->swap_limit = memcg_open_primed(m->dir, "memory.swap.max", O_RDONLY);
}

static uint64_t ours(const struct memcg *m)
{
	uint64_t bytes = m->high ? shared_load(&m->high->ours_bytes) : 0;

	return bytes ? bytes : MEMCG_NO_LIMIT;
}

static int v2_room(const struct memcg *m, struct memcg_room *room)
{
	int err = memcg_read_number(m->usage, &room->usage_bytes);

	if (!err)
		err = memcg_read_number(m->limit, &room->limit_bytes);
	room->high_bytes = ours(m);
	if (!err && !m->high)
		err = memcg_read_number(m->control, &room->high_bytes);
	return err;
}

static uint64_t v2_swap_left(const struct memcg *m)
{
	uint64_t usage, limit, left = sys_free_swap();

	if (m->swap_limit < 0 || memcg_read_number(m->swap_usage, &usage) ||
	    memcg_read_number(m->swap_limit, &limit) || limit <= usage)
		return 0;
	return left < limit - usage ? left : limit - usage;
}

static uint64_t spare_bytes(const struct memcg *m, uint64_t bytes, uint64_t *anon)
{
	char buf[MEMCG_STAT_BYTES];
	uint64_t usage, swap, spare, none = STOCK_BYTES + RECLAIMABLE_IS_NONE_BYTES;
	long n;

	if (m->usage < 0 || memcg_read_number(m->usage, &usage))
		return MEMCG_NO_LIMIT;
	if (usage < bytes / 2)
		return bytes - usage;
	n = sys_pread(m->stat, buf, sizeof(buf), 0);
	if (n < 0)
		return MEMCG_NO_LIMIT;
	*anon = memcg_number_after(buf, buf + n, "anon ");
	swap = *anon ? v2_swap_left(m) : 0;
	spare = memcg_number_after(buf, buf + n, "\ninactive_file ") +
		memcg_number_after(buf, buf + n, "\nactive_file ") +
		memcg_number_after(buf, buf + n, "\nslab_reclaimable ") +
		(swap < *anon ? swap : *anon);
	if (usage + STOCK_BYTES < bytes)
		return spare + bytes - usage;
	return bytes + spare > usage + none ? bytes + spare - usage - none : 0;
}

uint64_t memcg_spare_bytes(const struct memcg *m, uint64_t bytes)
{
	uint64_t anon;

	return spare_bytes(m, bytes, &anon);
}

/* Held, it is full at our memory.high; not held, at its memory.max, where the kernel kills by itself. */
static int v2_oom(const struct memcg *m, struct memcg_oom *oom)
{
	char buf[MEMCG_SMALL_BYTES];
	uint64_t high, limit = MEMCG_NO_LIMIT;
	int err = memcg_read_number(m->control, &high);
	long n = err ? err : sys_pread(m->events, buf, sizeof(buf), 0);

	if (n < 0)
		return (int)n;
	oom->kills = (uint32_t)memcg_number_after(buf, buf + n, "oom_kill ");
	oom->ooms = (uint32_t)memcg_number_after(buf, buf + n, "oom ");
	oom->held = high != MEMCG_NO_LIMIT && (!m->high || high == ours(m));
	if (!oom->held && m->limit >= 0)
		memcg_read_number(m->limit, &limit);
	oom->spare_bytes = spare_bytes(m, oom->held ? high : limit, &oom->anon_bytes);
	oom->waiting = !oom->spare_bytes;
	oom->under_oom = oom->waiting;
	return 0;
}

static int v2_hold(const struct memcg *m)
{
	if (ours(m) == MEMCG_NO_LIMIT)
		return -EINVAL;
	return memcg_is_owners(m) ? 0 : memcg_write_number(m->control, ours(m));
}

static int v2_hand_over(const struct memcg *m)
{
	if (!m->high || memcg_is_owners(m))
		return 0;
	return memcg_write_number(m->control, m->high->before_bytes);
}

/* Nobody is ever forgotten: they sleep for a time. */
static int v2_wake(const struct memcg *m)
{
	(void)m;
	return 0;
}

static int v2_watch_oom(const struct memcg *m) { return open_own_events(m); }

static void v2_take_event(int event)
{
	char buf[MEMCG_SMALL_BYTES];

	sys_pread(event, buf, sizeof(buf), 0);
}

/* Nobody gets on for so much of a second: 40 % of it where code went round, and stood still but for that; 4 % where a file
 * was written (measured). Without CAP_SYS_RESOURCE the window is a multiple of 2 s (psi.c). */
static int v2_watch_pressure(const struct memcg *m, int is_cramped)
{
	static const char quick[] = "full 300000 1000000", slow[] = "full 600000 2000000";
	int fd = sys_openat(m->dir, "memory.pressure", O_RDWR | O_NONBLOCK, 0);
	long n;

	if (fd >= 0 && !is_cramped) {
		sys_close(fd);
		return 0;
	}
	n = fd < 0 ? fd : sys_write(fd, quick, sizeof(quick));
	if (n == -EINVAL || n == -EPERM)
		n = sys_write(fd, slow, sizeof(slow));
	if (n < 0 && fd >= 0)
		sys_close(fd);
	return n < 0 ? (int)n : fd;
}

static int v2_take_pressure(int event)
{
	struct sys_pollfd p = { event, SYS_POLLPRI, 0 };

	return sys_poll(&p, 1, 0) == 1 && p.revents & SYS_POLLPRI;
}

const struct memcg_ops memcg_v2 = {
	.open = v2_open,
	.open_counters = v2_open_counters,
	.oom = v2_oom,
	.room = v2_room,
	.hold = v2_hold,
	.hand_over = v2_hand_over,
	.wake = v2_wake,
	.watch_oom = v2_watch_oom,
	.take_event = v2_take_event,
	.watch_pressure = v2_watch_pressure,
	.swap_left = v2_swap_left,
	.take_pressure = v2_take_pressure,
	.limit = "memory.max",
	.swap_limit = 0, /* of swap alone: a raise is of memory */
	.anon = "anon ",
	.inactive_file = "\ninactive_file ",
	.active_file = "\nactive_file ",
	.event_mask = SYS_EPOLLPRI | SYS_EPOLLONESHOT,
};
