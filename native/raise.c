/* SPDX-License-Identifier: MIT */
/*
 * Hop 4c: raises the limits of a group within the bound, and gives that back: a state, tried again until the kernel takes it.
 *
 * On v2 memory.high follows memory.max (high.c). It is never lifted where its owner has set it.
 */
#include "carry_out.h"
#include "high.h"
#include "ledger.h"
#include "sys.h"

/* Who was moved on v1 wakes by it; on v2 the group is seen to have room. */
static uint64_t wake_bytes(const struct watched *w)
{
	return memcg_is_v2(&w->memcg) ? 2 * STOCK_BYTES : 4096;
}

/* For who handles SIGTERM, and no more than the margin, below which a group is small. */
static uint64_t room_bytes(const struct watched *w)
{
	uint64_t margin = w->guard->margin_bytes;

	return margin > TERMINATE_ROOM_BYTES ? TERMINATE_ROOM_BYTES
	       : margin > 2 * STOCK_BYTES    ? margin
					     : 2 * STOCK_BYTES;
}

/* How it would stand after this raise. 0 or -errno. */
static int plan(const struct watched *w, const struct standing *st, uint64_t by, uint64_t most,
		struct memcg_raise *raise)
{
	struct memcg_room room;
	uint64_t before, over;
	int err = memcg_limits(&w->memcg, &room);

	if (err)
		return err;
	if (memcg_is_owners(&w->memcg) ||
	    (room.limit_bytes == MEMCG_NO_LIMIT && room.swap_limit_bytes == MEMCG_NO_LIMIT))
		return -EOPNOTSUPP;
	*raise = st->raised;
	if (!raise->added_bytes || memcg_is_strange(&w->memcg, &room, raise))
		*raise = (struct memcg_raise){ .limit_bytes = room.limit_bytes,
					       .swap_limit_bytes = room.swap_limit_bytes,
					       .margin_bytes = w->guard->margin_bytes };
	before = raise->added_bytes;
	/* Over memory.high a write of a higher one would reclaim, for long. */
	over = room.high_bytes < room.usage_bytes ? room.usage_bytes - room.high_bytes : 0;
	raise->added_bytes = before + over + by < most ? before + over + by : most;
	raise->added_bytes &= ~4095ull;
	return raise->added_bytes > before + over ? 0 : -ENOSPC;
}

static int record(struct watched *w, struct standing *st, const struct memcg_raise *raise)
{
	int err = ledger_set_raise(FD_LEDGER, w->index, raise);

	if (err)
		return err;
	st->raised.limit_bytes = raise->limit_bytes;
	st->raised.swap_limit_bytes = raise->swap_limit_bytes;
	st->raised.margin_bytes = raise->margin_bytes;
	shared_store(&st->raised.added_bytes, raise->added_bytes);
	return 0;
}

/* v2: memory.high as memory.max now wants it. */
static int follow(struct watched *w)
{
	struct memcg_oom oom;
	struct memcg_room room;

	if (!memcg_has_mark(&w->memcg))
		return 0;
	if (memcg_oom(&w->memcg, &oom) || memcg_room(&w->memcg, &room))
		return -ENODEV;
	return high_may_hold(w, &oom, &room) ? switch_write(w, SWITCH_HOLD) : -EBUSY;
}

static void raise_limits(struct watched *w, struct standing *st, uint64_t ask)
{
	enum order order = standing_ask_order(ask);
	uint64_t most = order == ORDER_RAISE ? st->raise_most_bytes : UINT64_MAX / 2;
	uint64_t by = order == ORDER_RAISE  ? st->raise_by_bytes
		      : order == ORDER_ROOM ? room_bytes(w)
					    : wake_bytes(w);
	struct log_record told = { .step = order == ORDER_RAISE	 ? STEP_RAISE
					   : order == ORDER_ROOM ? STEP_ROOM
								 : STEP_WOKE };
	struct memcg_raise raise;
	int err = w->guard->flags & orders_power(order) ? memcg_open_counters(&w->memcg) : -EPERM;

	if (err >= 0)
		err = plan(w, st, by, most, &raise);
	if (!err)
		err = record(w, st, &raise);
	if (!err)
		err = memcg_raise(&w->memcg, &raise);
	if (!err)
		err = follow(w);
	if (!err)
		told.bytes = raise.added_bytes;
	told.result = err;
	carry_out_answer(w, st, ask, told);
}

/* Says whether nothing is owed any more. What the limit was stays there, for who puts the incident together later. */
static int give_back(struct watched *w, struct standing *st)
{
	struct memcg_raise nothing = st->raised;
	int got = memcg_open_counters(&w->memcg);

	if (got >= 0)
		got = memcg_give_back(&w->memcg, &st->raised);
	if (!got)
		return 0;
	nothing.added_bytes = 0;
	if (got > 0)
		record(w, st, &nothing);
	watch_tell(w, STEP_GIVEN_BACK, 0, got < 0 ? got : 0);
	return got > 0;
}

int carry_out_is_owed(const struct watched *w)
{
	const struct standing *st = carry_out_standing(w);

	return st && (shared_load(&st->raised.added_bytes) || shared_load(&st->frozen));
}

void carry_out_limits(struct watched *w, uint64_t now_ns)
{
	struct standing *st = carry_out_standing(w);
	uint64_t ask;

	if (!st)
		return;
	ask = carry_out_wanted(w, st);
	if (watcher_owns() && carry_out_is_of_limits(standing_ask_order(ask)))
		raise_limits(w, st, ask);
	if (!carry_out_is_owed(w))
		return;
	if (incident_is_open(shared_load(&w->guard->incident)) ||
	    (w->state != GUARD_QUIET && w->state != GUARD_NEAR)) {
		shared_store(&st->calm_ns, now_ns + FAR_AFTER_MS * 1000000ull);
	} else if (now_ns >= shared_load(&st->calm_ns)) {
		carry_out_thaw(w); /* the other watcher has not */
		if (st->raised.added_bytes && !give_back(w, st))
			shared_store(&st->calm_ns, now_ns + NEAR_TICK_MS * 1000000ull);
	}
}

void carry_out_put_back(struct watched *w)
{
	struct standing *st = carry_out_standing(w);

	if (!st)
		return;
	carry_out_thaw(w);
	if (st->raised.added_bytes)
		give_back(w, st);
}
