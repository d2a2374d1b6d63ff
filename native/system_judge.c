/* SPDX-License-Identifier: MIT */
/* The system guard decides. Pure. */
#include "system.h"
#include "text.h"
#include <linux/errno.h>

static uint64_t bytes_of(const struct system_mark *mark, uint64_t total)
{
	return mark->per_myriad ? total / 10000 * mark->per_myriad : mark->bytes;
}

static int is_low(const struct system_orders *o, const struct system_now *now, int mark)
{
	uint64_t memory = bytes_of(&o->memory[mark], now->total_bytes);
	uint64_t swap = bytes_of(&o->swap[mark], now->swap_bytes);

	return memory && now->available_bytes <= memory &&
	       (!now->swap_bytes || now->swap_free_bytes <= swap);
}

enum system_level system_level(const struct system_orders *o, const struct system_now *now,
			       int counts, enum system_cause *cause)
{
	for (int mark = 1; mark >= 0; mark--) {
		int by_memory = is_low(o, now, mark);
		int by_pressure = counts && o->pressure[mark] && now->pressure >= o->pressure[mark];

		if (!by_memory && !by_pressure)
			continue;
		*cause = by_memory ? SYSTEM_BY_MEMORY : SYSTEM_BY_PRESSURE;
		return mark ? SYSTEM_SECOND : SYSTEM_FIRST;
	}
	return SYSTEM_CALM;
}

static enum system_next next_victim(const struct system_sight *s)
{
	if (!s->is_stuck)
		return SYSTEM_BEGIN;
	return s->level == SYSTEM_SECOND && s->handed_ms >= SYSTEM_HAND_OVER_MS ? SYSTEM_GIVE_UP
										: SYSTEM_WAIT;
}

enum system_next system_next(const struct system_sight *s)
{
	if (s->level == SYSTEM_CALM)
		return s->is_open && s->calm_ms >= SYSTEM_CALM_MS ? SYSTEM_END : SYSTEM_WAIT;
	if (!s->is_allowed)
		return s->is_told ? SYSTEM_WAIT : SYSTEM_OBSERVE;
	switch (s->victim) {
	case SYSTEM_ASKED:
		return s->level == SYSTEM_SECOND || s->victim_ms >= SYSTEM_TERM_MS ? SYSTEM_FINISH
										   : SYSTEM_WAIT;
	case SYSTEM_KILLED:
		return s->victim_ms < SYSTEM_DEATH_MS ? SYSTEM_WAIT : next_victim(s);
	case SYSTEM_GONE:
		return s->victim_ms < SYSTEM_SETTLE_MS ? SYSTEM_WAIT : next_victim(s);
	default:
		return next_victim(s);
	}
}

static uint64_t above(uint64_t bytes, uint64_t mark) { return bytes > mark ? bytes - mark : 0; }

uint32_t system_wait_ms(const struct system_orders *o, const struct system_now *now)
{
	uint64_t memory = above(now->available_bytes, bytes_of(&o->memory[0], now->total_bytes));
	uint64_t swap = above(now->swap_free_bytes, bytes_of(&o->swap[0], now->swap_bytes));
	uint64_t ms = memory / SYSTEM_MEMORY_BYTES_PER_MS + swap / SYSTEM_SWAP_BYTES_PER_MS;

	if (ms < SYSTEM_TICK_MIN_MS)
		return SYSTEM_TICK_MIN_MS;
	return ms < SYSTEM_TICK_MAX_MS ? (uint32_t)ms : SYSTEM_TICK_MAX_MS;
}

static int kilobytes(const char *buf, const char *end, const char *key, uint64_t *bytes)
{
	const char *at = text_after(buf, end, key);

	while (at && at < end && *at == ' ')
		at++;
	if (!at)
		return -EINVAL;
	*bytes = text_number(&at, end) << 10;
	return 0;
}

int system_parse_meminfo(const char *buf, const char *end, struct system_now *now)
{
	uint64_t anon_bytes;

	if (kilobytes(buf, end, "\nMemAvailable:", &now->available_bytes) ||
	    kilobytes(buf, end, "\nAnonPages:", &anon_bytes) ||
	    kilobytes(buf, end, "\nSwapTotal:", &now->swap_bytes) ||
	    kilobytes(buf, end, "\nSwapFree:", &now->swap_free_bytes))
		return -EINVAL;
	now->total_bytes = now->available_bytes + anon_bytes;
	return 0;
}

uint32_t system_parse_pressure(const char *buf, const char *end, int is_full, uint32_t over_s)
{
	const char *line = text_after(buf, end, is_full ? "full " : "some ");
	const char *at = line ? text_after(line, end,
					   over_s == 10	  ? "avg10="
					   : over_s == 60 ? "avg60="
							  : "avg300=")
			      : 0;
	uint64_t whole;

	if (!at)
		return 0;
	whole = text_number(&at, end);
	if (at < end && *at == '.')
		at++;
	return (uint32_t)(whole * 100 + text_number(&at, end)); /* two digits: kernel/sched/psi.c */
}
