/* SPDX-License-Identifier: MIT */
/* The sampler's table of processes. */
#include "table.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

enum {
	LOCK_SPINS = 2000
}; /* some 20 us: the responder does not wait for a sampler that was preempted */

static uint32_t bucket_of(uint32_t pid)
{
	return (pid * 2654435761u) >> 19; /* 13 bits: PROCS_MAX */
}
_Static_assert(PROCS_MAX == 1 << 13, "bucket_of");

void table_init(struct table *t, struct recorder *recorder, uint16_t *chain)
{
	*t = (struct table){ .latest = recorder->latest,
			     .extra = recorder->known,
			     .chain = chain,
			     .free = TABLE_NONE };
	for (uint32_t i = 0; i < PROCS_MAX; i++) {
		t->chain[i] = TABLE_NONE;
		t->latest[i].pid = 0; /* a handler before us may have left some */
	}
}

static int lock(struct table *t, uint32_t spins)
{
	while (spins--) {
		if (!__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE))
			return 1;
		sys_relax();
	}
	return 0;
}

static void unlock(struct table *t) { __atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE); }

uint16_t table_find(const struct table *t, uint32_t guard, uint32_t pid)
{
	uint16_t slot = t->chain[bucket_of(pid)];

	while (slot != TABLE_NONE && (t->latest[slot].pid != pid || t->latest[slot].guard != guard))
		slot = t->extra[slot].next;
	return slot;
}

uint16_t table_next_of(const struct table *t, uint32_t pid, uint16_t slot)
{
	slot = slot == TABLE_NONE ? t->chain[bucket_of(pid)] : t->extra[slot].next;
	while (slot != TABLE_NONE && t->latest[slot].pid != pid)
		slot = t->extra[slot].next;
	return slot;
}

/* The sampler waits for the responder as long as it takes: that one holds the lock for a
 * look-up only. */
static void lock_as_sampler(struct table *t)
{
	while (!lock(t, LOCK_SPINS))
		;
}

uint16_t table_add(struct table *t, uint32_t guard, uint32_t pid)
{
	uint16_t *head = &t->chain[bucket_of(pid)];
	uint16_t slot = t->free;

	if (slot == TABLE_NONE && t->used == PROCS_MAX)
		return TABLE_NONE;
	lock_as_sampler(t);
	if (slot != TABLE_NONE)
		t->free = t->extra[slot].next;
	else
		slot = (uint16_t)t->used++;
	memset(&t->latest[slot], 0, sizeof(t->latest[slot]));
	memset(&t->extra[slot], 0, sizeof(t->extra[slot]));
	if (t->past_pages)
		t->past_pages[slot] = 0;
	for (int i = 0; i < 2; i++)
		if (t->codes[i])
			t->codes[i][slot] = 0;
	t->latest[slot].pid = pid;
	t->latest[slot].guard = (uint16_t)guard;
	t->extra[slot].next = *head;
	*head = slot;
	unlock(t);
	return slot;
}

void table_remove(struct table *t, uint16_t slot)
{
	uint16_t *link = &t->chain[bucket_of(t->latest[slot].pid)];

	lock_as_sampler(t);
	while (*link != slot)
		link = &t->extra[*link].next;
	*link = t->extra[slot].next;
	t->latest[slot].pid = 0;
	t->extra[slot].next = t->free;
	t->free = slot;
	unlock(t);
}

int table_ask(struct table *t, uint32_t guard, uint32_t pid, struct table_known *known)
{
	int err = -ESRCH;
	uint16_t slot;

	if (!lock(t, LOCK_SPINS))
		return -EAGAIN;
	slot = table_find(t, guard, pid);
	if (slot != TABLE_NONE) {
		const struct table_extra *e = &t->extra[slot];

		known->in_view = e->cpu_ns != 0;
		known->cpu_ns = e->cpu_ns ? e->cpu_ns : e->read_cpu_ns;
		known->pages = rank_charged(t->latest[slot].anon_pages, e->base_pages);
		known->base_pages = e->base_pages;
		known->past_pages = t->past_pages ? t->past_pages[slot] : 0;
		known->percent = e->percent;
		known->exempt = e->exempt;
		known->start_time = t->latest[slot].start_time;
		known->changed_ms = t->latest[slot].t_ms;
		known->slot = slot;
		memcpy(known->comm, t->latest[slot].comm, COMM_BYTES);
		err = 0;
	}
	unlock(t);
	return err;
}
