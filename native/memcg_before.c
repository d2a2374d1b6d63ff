/* SPDX-License-Identifier: MIT */
/*
 * Hop 1: a group whose guard acts before the limit. The kernel's killer stays on and nobody is stopped: what cannot be
 * reclaimed is looked at, against a limit that is the margin lower.
 */
#include "limits.h"
#include "log.h"
#include "memcg_ops.h"
#include "sys.h"

void memcg_act_before(struct memcg *m, const uint64_t *margin_bytes, uint32_t *held)
{
	m->before_bytes = margin_bytes;
	m->before_held = held;
}

int memcg_is_before(const struct memcg *m) { return m->before_bytes != NULL; }

int memcg_before_hold(const struct memcg *m, uint32_t held)
{
	shared_store(m->before_held, held);
	return 0;
}

static uint64_t less(uint64_t limit_bytes, uint64_t bytes)
{
	return limit_bytes == MEMCG_NO_LIMIT ? limit_bytes
	       : limit_bytes > bytes	     ? limit_bytes - bytes
					     : 0;
}

/* The kernel's, and on v2 the owner's: there who grows is stopped. */
static int read_limits(const struct memcg *m, struct memcg_room *room)
{
	int err = memcg_limits(m, room);

	if (!err && memcg_is_v2(m))
		err = memcg_read_switch(m, &room->high_bytes);
	return err;
}

uint64_t memcg_before_left_bytes(const struct memcg *m)
{
	struct memcg_room room;

	return read_limits(m, &room) ? MEMCG_NO_LIMIT : memcg_left_bytes(&room);
}

/* Files, and what anonymous memory may be swapped out. */
static int read_reclaimable(const struct memcg *m, uint64_t *file, uint64_t *swappable)
{
	uint64_t swap = m->ops->swap_left(m), anon = 0;
	int err = memcg_reclaimable(m, file);

	if (!err && swap)
		err = memcg_anon(m, &anon);
	*swappable = swap < anon ? swap : anon;
	return err;
}

int memcg_before_room(const struct memcg *m, struct memcg_room *room)
{
	uint64_t file, swappable;
	int err = read_limits(m, room);

	if (!err)
		err = read_reclaimable(m, &file, &swappable);
	if (err)
		return err;
	room->limit_bytes = less(room->limit_bytes, *m->before_bytes);
	room->high_bytes = less(room->high_bytes, *m->before_bytes);
	room->swap_limit_bytes = less(room->swap_limit_bytes, *m->before_bytes);
	room->usage_bytes = less(room->usage_bytes, file + swappable);
	room->swap_usage_bytes = less(room->swap_usage_bytes, file);
	return 0;
}

/* Held, it is full at the threshold; not held, where the kernel says so. */
int memcg_before_oom(const struct memcg *m, struct memcg_oom *oom)
{
	struct memcg_room room;

	oom->held = (int)shared_load(m->before_held);
	if (!oom->held || m->usage < 0 || memcg_room(m, &room))
		return 0;
	oom->spare_bytes = memcg_is_full(&room) ? 0 : memcg_left_bytes(&room);
	oom->waiting = oom->under_oom = oom->waiting || !oom->spare_bytes;
	return 0;
}
