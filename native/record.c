/* SPDX-License-Identifier: MIT */
/* The flight recorder, written. */
#include "record.h"
#include "log.h"
#include "text.h"

enum { KEYS = 16 }; /* in a ring: no more than such a part of it cannot be read for lack of one */

uint16_t record_code(uint32_t pages, uint32_t bits)
{
	uint32_t octave = pages ? 31 - (uint32_t)__builtin_clz(pages) : 0;
	uint32_t rest = pages - (pages ? 1u << octave : 0);

	if (!pages)
		return 1;
	rest = octave > bits ? rest >> (octave - bits) : rest << (bits - octave);
	return (uint16_t)(2 + (octave << bits | rest));
}

uint32_t record_pages(uint16_t code, uint32_t bits)
{
	uint32_t octave = (uint32_t)(code - 2) >> bits,
		 rest = (uint32_t)(code - 2) & ((1u << bits) - 1);

	if (code < 2 || octave > 31)
		return 0;
	if (octave <= bits)
		return (1u << octave) + (rest >> (bits - octave));
	return (1u << octave) + (rest << (octave - bits)) + (1u << (octave - bits) >> 1);
}

void record_copy(const uint8_t *data, uint32_t size, uint64_t at, void *to, uint32_t n)
{
	uint32_t from = (uint32_t)(at % size), first = n < size - from ? n : size - from;

	memcpy(to, data + from, first);
	memcpy((uint8_t *)to + first, data, n - first);
}

static struct frame head_at(const struct record *r, uint64_t at)
{
	struct frame head;

	record_copy(r->data, r->size, at, &head, sizeof(head));
	return head;
}

static uint32_t bytes_of(const struct frame *f) { return f->bytes & ~7u; }

static void count(struct record *r, const struct frame *f, int sign)
{
	struct recording *of = &r->of[f->guard];

	r->sharers -= of->bytes > 0;
	of->bytes += (uint32_t)(sign * (int)bytes_of(f));
	r->sharers += of->bytes > 0;
}

void record_resume(struct record *r, uint32_t guards)
{
	for (uint64_t at = r->ring->tail; at < r->ring->head;) {
		struct frame f = head_at(r, at);

		if (f.guard >= guards || bytes_of(&f) < sizeof(f)) {
			r->ring->tail = r->ring->head; /* no frame */
			memset(r->of, 0, guards * sizeof(*r->of));
			r->sharers = 0;
			return;
		}
		count(r, &f, 1);
		at += bytes_of(&f);
	}
}

/* For what is written up to `end`: the oldest go. */
static void make_room(struct record *r, uint64_t end)
{
	uint64_t tail = r->ring->tail;

	if (end - tail <= r->size)
		return;
	while (end - tail > r->size) {
		struct frame f = head_at(r, tail);

		count(r, &f, -1);
		tail += bytes_of(&f);
	}
	shared_store(&r->ring->tail, tail);
	__atomic_thread_fence(
		__ATOMIC_RELEASE); /* before it is overwritten; pairs with history.c */
}

static void put(struct record *r, uint64_t *at, uint32_t byte)
{
	if (*at % 8 == 0)
		make_room(r, *at + 8);
	r->data[*at % r->size] = (uint8_t)byte;
	++*at;
}

/* From slot `at` to slot `to`. */
static void put_skip(struct record *r, uint64_t *end, uint32_t at, uint32_t to)
{
	for (uint32_t n = to - at; n;) {
		uint32_t many = n / 64 < 32 ? n / 64 : 32;
		uint32_t skipped = many ? many * 64 : n;

		put(r, end, many ? FRAME_SKIP_64 + many - 1 : FRAME_SKIP + n - 1);
		n -= skipped;
	}
}

static void put_code(struct record *r, uint64_t *end, uint32_t before, uint32_t code)
{
	int delta = (int)code - (int)before + 64;

	if (before && delta >= 0 && delta < FRAME_SKIP) {
		put(r, end, FRAME_DELTA + (uint32_t)delta);
		return;
	}
	put(r, end, FRAME_CODE);
	put(r, end, code & 0xff);
	put(r, end, code >> 8);
}

/* Every slot of the guard's whose code has changed; in a key frame all. */
static uint64_t put_slots(struct record *r, uint32_t guard, int is_key, uint64_t end,
			  const struct snapshot *latest, uint32_t used)
{
	uint32_t at = 0;

	for (uint32_t slot = 0; slot < used; slot++) {
		const struct snapshot *s = &latest[slot];
		uint16_t code;

		if (!s->pid || s->guard != guard || !s->start_time)
			continue;
		code = record_code(s->anon_pages, r->bits);
		if (!is_key && code == r->codes[slot])
			continue;
		put_skip(r, &end, at, slot);
		put_code(r, &end, is_key ? 0 : r->codes[slot], code);
		r->codes[slot] = code;
		at = slot + 1;
	}
	return end;
}

static int may_overwrite(const struct record *r, uint32_t guard, uint64_t now_us)
{
	uint64_t kept = r->ring->head - r->ring->tail;
	struct frame oldest;

	if (kept + r->size / KEYS < r->size)
		return 1;
	oldest = head_at(r, r->ring->tail);
	return now_us - oldest.t_us >= r->span_ms * 1000ull ||
	       (uint64_t)r->of[guard].bytes * r->sharers < r->size;
}

static int is_key_due(const struct record *r, const struct frame *head)
{
	const struct recording *of = &r->of[head->guard];

	/* One in which nothing changes has two frames in a span. */
	return !of->key_at || of->key_at <= r->ring->tail || of->inode != head->inode ||
	       r->ring->head - of->key_at > r->size / KEYS ||
	       head->t_us - of->t_us >= r->span_ms * 500ull;
}

int record_frame(struct record *r, struct frame head, uint32_t procs, const struct snapshot *latest,
		 uint32_t used)
{
	struct recording *of = &r->of[head.guard];
	uint64_t begin = r->ring->head, end = begin + sizeof(head);
	uint16_t usage = record_code(head.usage_pages, r->bits);
	int is_key = is_key_due(r, &head);

	if ((of->t_us && head.t_us - of->t_us < r->every_ms * 1000ull) ||
	    !may_overwrite(r, head.guard, head.t_us))
		return 0;
	make_room(r, end);
	end = put_slots(r, head.guard, is_key, end, latest, used);
	if (!is_key && end == begin + sizeof(head) && usage == of->usage && procs == of->procs &&
	    head.some == of->some)
		return 0;
	while (end % 8)
		put(r, &end, FRAME_SKIP);
	head.bytes = (uint16_t)((end - begin) | (is_key ? FRAME_IS_KEY : 0));
	for (uint32_t i = 0; i < sizeof(head); i++)
		r->data[(begin + i) % r->size] = ((uint8_t *)&head)[i];
	shared_store(&r->ring->head, end);
	count(r, &head, 1);
	of->t_us = head.t_us;
	of->key_at = is_key ? begin + 1 : of->key_at;
	of->inode = head.inode;
	of->procs = procs;
	of->usage = usage;
	of->some = head.some;
	return 1;
}

void record_gone(struct frames *frames, const struct snapshot *s, uint16_t slot, uint64_t since_us,
		 uint64_t now_us)
{
	struct gone *g = &frames->gone[frames->gone_head % GONE_MAX];

	*g = (struct gone){ .since_us = since_us, .gone_us = now_us, .slot = slot, .last = *s };
	shared_store(&frames->gone_head, frames->gone_head + 1);
}
