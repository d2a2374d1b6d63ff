/* SPDX-License-Identifier: MIT */
/* The flight recorder, read. What is not right in it is left out. */
#include "history.h"
#include "log.h"
#include "text.h"

/* The names go first: who leaves meanwhile is in both. */
static void copy_names(struct history *h, const struct recorder *r, const struct frames *f)
{
	uint64_t head;

	memcpy(h->latest, r->latest, sizeof(h->latest));
	for (uint32_t i = 0; i < PROCS_MAX; i++)
		h->since_us[i] = r->known[i].since_us;
	head = shared_load(&f->gone_head);
	memcpy(h->gone, f->gone, sizeof(h->gone));
	for (uint32_t i = 0; i < PROCS_MAX; i++)
		h->newest_gone[i] = HISTORY_NOBODY;
	for (uint64_t i = head > GONE_MAX ? head - GONE_MAX : 0; i < head; i++) {
		uint16_t at = (uint16_t)(i % GONE_MAX), slot = h->gone[at].slot;

		if (slot >= PROCS_MAX)
			continue;
		h->gone_before[at] = h->newest_gone[slot];
		h->newest_gone[slot] = at;
	}
}

static void copy_ring(struct tape *t, uint8_t *to, const struct frame_ring *ring,
		      const uint8_t *data, uint32_t size, uint32_t bits)
{
	uint64_t tail;

	*t = (struct tape){ .data = to, .size = size, .bits = bits };
	t->end = shared_load(&ring->head);
	memcpy(to, data, size);
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* pairs with make_room() */
	tail = shared_load(&ring->tail);
	t->at = tail < t->end && t->end - tail <= size ? tail : t->end;
}

/* Who had a slot then. */
static uint16_t who_was(const struct history *h, uint32_t slot, uint64_t t_us)
{
	uint16_t who = HISTORY_NOBODY, at = h->newest_gone[slot];

	for (uint32_t i = 0; i < GONE_MAX && at != HISTORY_NOBODY; i++) {
		if (h->gone[at].since_us <= t_us && t_us < h->gone[at].gone_us)
			who = PROCS_MAX + at;
		at = h->gone_before[at];
	}
	if (who == HISTORY_NOBODY && h->latest[slot].pid && h->since_us[slot] <= t_us)
		who = (uint16_t)slot;
	return who;
}

static int is_still_there(const struct history *h, uint16_t who, uint64_t t_us)
{
	return who != HISTORY_NOBODY &&
	       (who < PROCS_MAX || t_us < h->gone[who - PROCS_MAX].gone_us);
}

static void take_code(const struct history *h, struct tape *t, uint32_t slot, uint32_t code,
		      uint64_t t_us)
{
	t->codes[slot] = (uint16_t)code;
	if (!is_still_there(h, t->who[slot], t_us))
		t->who[slot] = who_was(h, slot, t_us);
	if (slot >= t->used)
		t->used = slot + 1;
}

static void take_slots(const struct history *h, struct tape *t, const struct frame *f)
{
	uint64_t end = t->at + (f->bytes & ~7u);
	uint32_t slot = 0;

	for (uint64_t at = t->at + sizeof(*f); at < end && slot < PROCS_MAX; at++) {
		uint8_t byte = t->data[at % t->size];

		if (byte >= FRAME_CODE) {
			uint32_t low = t->data[(at + 1) % t->size],
				 high = t->data[(at + 2) % t->size];

			take_code(h, t, slot++, low | high << 8, f->t_us);
			at += 2;
		} else if (byte >= FRAME_SKIP_64) {
			slot += (byte - FRAME_SKIP_64 + 1u) * 64;
		} else if (byte >= FRAME_SKIP) {
			slot += byte - FRAME_SKIP + 1u;
		} else {
			take_code(h, t, slot, t->codes[slot] + byte - 64u, f->t_us);
			slot++;
		}
	}
}

/* What the frame at `at` begins with. False: there is none. */
static int head_at(const struct tape *t, uint64_t at, struct frame *f)
{
	if (at + sizeof(*f) > t->end)
		return 0;
	record_copy(t->data, t->size, at, f, sizeof(*f));
	return (f->bytes & ~7u) >= sizeof(*f);
}

static int is_its(const struct history *h, const struct frame *f)
{
	return f->guard == h->guard && (!h->inode || f->inode == h->inode);
}

/* To the guard's last key frame that is not younger: all that came after it follows from there. False: there is none. */
static int seek(const struct history *h, struct tape *t, uint64_t since_us)
{
	struct frame f;
	int is_found = 0;

	for (uint64_t at = t->at; head_at(t, at, &f); at += f.bytes & ~7u) {
		if (!is_its(h, &f))
			continue;
		if (f.t_us > since_us)
			break;
		if (f.bytes & FRAME_IS_KEY) {
			t->at = at;
			is_found = 1;
		}
	}
	return is_found;
}

/* The guard's next frame of a ring. */
static int next_of(const struct history *h, struct tape *t, struct frame *f)
{
	while (head_at(t, t->at, f)) {
		int is_told = is_its(h, f);

		if (is_told && f->bytes & FRAME_IS_KEY) {
			memset(t->codes, 0, t->used * sizeof(*t->codes));
			for (uint32_t i = 0; i < PROCS_MAX; i++)
				t->who[i] = HISTORY_NOBODY;
			t->is_keyed = 1;
		}
		is_told = is_told && t->is_keyed;
		if (is_told)
			take_slots(h, t, f);
		t->at += f->bytes & ~7u;
		if (is_told)
			return 1;
	}
	t->at = t->end;
	return 0;
}

static int tell(struct history *h, const struct tape *t, const struct frame *f)
{
	struct history_frame *now = &h->now;

	now->t_us = f->t_us;
	now->usage_bytes = (uint64_t)f->usage_pages * 4096;
	now->some = f->some;
	now->full = f->full;
	now->processes = 0;
	for (uint32_t slot = 0; slot < t->used; slot++) {
		if (!t->codes[slot] || !is_still_there(h, t->who[slot], f->t_us))
			continue;
		now->process[now->processes].who = t->who[slot];
		now->process[now->processes++].pages = record_pages(t->codes[slot], t->bits);
	}
	return 1;
}

int history_open(struct history *h, const struct region *r, uint32_t guard, uint64_t since_us)
{
	const struct frames *f = frames_of(r);

	if (!f || guard >= r->guards_max)
		return 0;
	h->guard = guard;
	h->inode = (uint32_t)shared_load(&r->guards[guard].inode);
	h->slow = (struct tape){ 0 };
	copy_ring(&h->fast, h->fast_bytes, &f->fast, f->fast_bytes, FAST_BYTES, FAST_BITS);
	if (!seek(h, &h->fast, since_us)) {
		copy_ring(&h->slow, h->slow_bytes, &f->slow, f->slow_bytes, SLOW_BYTES, SLOW_BITS);
		seek(h, &h->slow, since_us);
	}
	copy_names(h, (const void *)((const char *)r + r->recorder_offset), f);
	if (!next_of(h, &h->fast, &h->pending))
		h->pending.t_us = UINT64_MAX;
	return 1;
}

int history_next(struct history *h)
{
	struct frame f;

	if (next_of(h, &h->slow, &f) && f.t_us < h->pending.t_us)
		return tell(h, &h->slow, &f);
	h->slow.at = h->slow.end;
	if (h->pending.t_us == UINT64_MAX)
		return 0;
	tell(h, &h->fast, &h->pending);
	if (!next_of(h, &h->fast, &h->pending))
		h->pending.t_us = UINT64_MAX;
	return 1;
}

const struct snapshot *history_who(const struct history *h, uint32_t who)
{
	return who < PROCS_MAX ? &h->latest[who] : &h->gone[(who - PROCS_MAX) % GONE_MAX].last;
}
