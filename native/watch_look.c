/* SPDX-License-Identifier: MIT */
/* Hop 4b: the owner's look at a guard: what the kernel says of it, and for how long. */
#include "handed.h"
#include "high.h"
#include "log.h"
#include "sys.h"
#include "threshold.h"
#include "trial.h"
#include "verdict.h"
#include "watcher.h"

/* What reclaim has signalled so far belongs to what is over. */
void watch_forget_starvation(struct watched *w, uint64_t now_ns)
{
	memcg_take_pressure(&w->memcg, w->pressure_event);
	w->starved = 0;
	w->ticked_ns = memcg_is_v2(&w->memcg) ? 0 : now_ns;
}

/*
 * Silent starvation: the group is held and full, nobody sleeps in its OOM, but calls fail. It is told from a
 * group that is merely full by reclaim failing, tick after tick, with no file memory left to take.
 */
static void look_for_starvation(struct watched *w, int full, uint64_t now_ns)
{
	uint64_t reclaimable;

	if (watch_ms_since(w->ticked_ns, now_ns) < NEAR_TICK_MS)
		return;
	w->ticked_ns = now_ns;
	if (memcg_take_pressure(&w->memcg, w->pressure_event) && full &&
	    !memcg_reclaimable(&w->memcg, &reclaimable) && reclaimable < RECLAIMABLE_IS_NONE_BYTES)
		w->starved++;
	else
		w->starved = 0;
}

/* Not at once: who is cramped for so short mostly is about to be at OOM. */
static void ask_for_pressure(struct watched *w, int cramped, uint64_t now_ns)
{
	if (!cramped)
		w->ticked_ns = 0;
	else if (!w->ticked_ns)
		w->ticked_ns = now_ns;
	w->wants_pressure = cramped && watch_ms_since(w->ticked_ns, now_ns) >= NEAR_TICK_MS;
}

/* v2: file memory goes round without end, and nobody gets on: its pressure is told once a window. */
static void look_for_thrashing(struct watched *w, int cramped, uint64_t now_ns)
{
	if (!w->pressure_event)
		ask_for_pressure(w, cramped, now_ns);
	if (!cramped || watch_ms_since(w->ticked_ns, now_ns) > PRESSURE_OLD_MS)
		w->starved = 0;
	if (!memcg_take_pressure(&w->memcg, w->pressure_event))
		return;
	w->ticked_ns = now_ns;
	w->starved += (uint32_t)cramped;
}

/* Does the group starve? Found out before an incident, and again once it is the kernel's; in between until it has room. */
static int is_starving(struct watched *w, const struct memcg_oom *oom,
		       const struct memcg_room *room, uint64_t now_ns)
{
	int handed = memcg_has_mark(&w->memcg) && w->state == GUARD_HANDED;
	int left_alone = memcg_is_before(&w->memcg) && w->yielded;
	int cramped = memcg_is_cramped(&w->memcg, oom, room);
	uint32_t looks = handed ? STARVED_HANDED : STARVED_LOOKS;

	if (memcg_is_before(&w->memcg) && !memcg_is_v2(&w->memcg))
		return 0; /* nobody is stopped, and the kernel's word for pressure comes in any copy of a file */
	if (memcg_is_v2(&w->memcg) && (handed || left_alone || w->state == GUARD_NEAR))
		look_for_thrashing(w, cramped, now_ns);
	else if (w->state == GUARD_NEAR)
		look_for_starvation(w, memcg_is_full(room), now_ns);
	if (!cramped)
		w->woken = 0;
	if (handed || w->state == GUARD_NEAR || !cramped)
		shared_store(&w->guard->starving,
			     cramped && (w->starved >= looks || w->woken >= looks));
	return (oom->held || handed) && cramped && shared_load(&w->guard->starving);
}

/* Is it to be held again, after somebody else has written the switch, or what is done before the limit has not helped? */
static int has_yielded_enough(const struct watched *w, const struct memcg_room *room,
			      uint64_t now_ns)
{
	/* That it is full of file memory is no reason to yield, that this goes round is. */
	if (memcg_is_before(&w->memcg))
		return memcg_left_bytes(room) > memcg_far_bytes(w->guard->margin_bytes) &&
		       (!memcg_is_v2(&w->memcg) || !w->ticked_ns ||
			watch_ms_since(w->ticked_ns, now_ns) > PRESSURE_OLD_MS);
	/* On v2 the cache keeps most groups at their limit. */
	if (memcg_has_mark(&w->memcg))
		return watch_ms_since(w->yielded_ns, now_ns) >= w->yield_ms;
	return watch_ms_since(w->outside_ns, now_ns) >= FAR_AFTER_MS;
}

/* The times for which the group has been free of an OOM, and outside its margin. */
static void time_look(struct watched *w, struct look *look, const struct memcg_room *room,
		      uint64_t left_bytes, uint64_t now_ns)
{
	if (look->in_oom)
		w->free_ns = 0;
	else if (!w->free_ns)
		w->free_ns = now_ns;
	if (left_bytes <= memcg_far_bytes(w->guard->margin_bytes))
		w->outside_ns = 0;
	else if (!w->outside_ns)
		w->outside_ns = now_ns;
	if (has_yielded_enough(w, room, now_ns))
		w->yielded = 0;
	look->free_ms = watch_ms_since(w->free_ns, now_ns);
	look->outside_ms = watch_ms_since(w->outside_ns, now_ns);
}

/* The switch is off and no state of ours wants it so: a write of a watcher that was stopped came late. */
/* model: switch_is_mended */
static void mend_switch(struct watched *w, struct memcg_oom *oom)
{
	int is_kernels =
		w->state == GUARD_QUIET || w->state == GUARD_HANDED || w->state == GUARD_ALARM;
	int err;

	if (!oom->held || !is_kernels || memcg_is_owners(&w->memcg) ||
	    !(w->guard->flags & GUARD_POWERS))
		return;
	err = switch_write(w, SWITCH_LET_GO);
	oom->held = err != 0;
	watch_tell(w, STEP_MENDED, 0, err);
}

/* Who sleeps in a held group that has room was not woken. Asleep so long, not just about to run. Who sleeps again and again has
 * room for a huge page and none for its table: the kernel gives the page back each time. */
static void wake_the_stale(struct watched *w, const struct memcg_oom *oom, int full,
			   uint64_t now_ns)
{
	int err;
	int is_calm = w->state == GUARD_NEAR || w->state == GUARD_RELIEF;

	if (!is_calm || !oom->held || !oom->waiting || full)
		w->stale_ns = 0;
	else if (!w->stale_ns)
		w->stale_ns = now_ns;
	if (!w->stale_ns || watch_ms_since(w->stale_ns, now_ns) < RELIEF_HOLD_MS)
		return;
	err = switch_write(w, SWITCH_WAKE);
	w->woken++;
	if (err != -EAGAIN)
		watch_tell(w, STEP_WOKE, 0, err);
	w->stale_ns = now_ns;
}

/*
 * All there is to see of an OOM that a designated handler was quick to relieve: its event, and charges that have failed at
 * the group's own limit since it last had room. The event alone may be an ancestor's.
 */
static int is_relieved_already(const struct watched *w, int fired, int full)
{
	uint64_t before = shared_load(&w->guard->limit_hits), hits = before, count;

	if (w->state != GUARD_NEAR || !w->followed.pid || memcg_limit_hits(&w->memcg, &hits))
		return 0;
	/* Hits are older than their event: one that this turn has not taken is not lost. */
	fired |= sys_read(w->oom_event, &count, sizeof(count)) == sizeof(count);
	if (!full)
		shared_store(&w->guard->limit_hits, hits);
	return fired && hits != before;
}

/* Somebody sleeps in the group's own OOM, or is as badly off. */
static int is_in_oom(struct watched *w, const struct memcg_oom *oom, const struct memcg_room *room,
		     int fired, uint64_t now_ns)
{
	if (memcg_has_mark(&w->memcg) && !oom->held)
		return handed_is_in_oom(w, oom, room, now_ns);
	/* With the kernel's killer on, the event is all there is to see: it may be over already. */
	return memcg_in_oom(oom, room) || (fired && !oom->held && memcg_is_full(room));
}

/* On v1 from the margin on, and while no threshold stands there; on v2 always, for an event comes from a held group only. */
static int is_to_be_held(struct watched *w, const struct memcg_oom *oom,
			 const struct memcg_room *room, uint64_t left)
{
	if (!(w->guard->flags & GUARD_POWERS) || !w->guard->delay_ms || w->yielded ||
	    shared_load(&w->guard->want) != WANT_ARMED)
		return 0;
	if (!memcg_has_mark(&w->memcg))
		return left <= w->guard->margin_bytes || !*threshold_limit(w);
	return high_may_hold(w, oom, room);
}

/* v2: memory.max was changed, and with it where the hold begins. */
static void follow_limit(struct watched *w)
{
	if (w->state == GUARD_NEAR && memcg_has_mark(&w->memcg) &&
	    w->high_target != shared_load(&w->guard->high.ours_bytes) && w->high_target)
		watch_tell(w, STEP_ENGAGED, 0, switch_write(w, SWITCH_HOLD));
}

/* What decides between near and far. Who acts at the margin has to be near before, on v1 by what an event tells of,
 * file memory or not. */
static uint64_t left_bytes(const struct watched *w, const struct memcg_room *room)
{
	uint64_t margin = w->guard->margin_bytes, left = memcg_left_bytes(room);
	struct memcg_room limits;

	if (!memcg_is_before(&w->memcg) || memcg_is_v2(&w->memcg) ||
	    memcg_limits(&w->memcg, &limits))
		return left;
	left = memcg_left_bytes(&limits);
	return left > margin ? left - margin : 0;
}

/* Nothing tells that it comes to its threshold: it is looked at in half the time that this takes at least. */
static uint32_t near_ms(const struct watched *w, const struct memcg_room *room)
{
	uint64_t ms = 1 + memcg_left_bytes(room) / (2 * GROWTH_BYTES_PER_MS);

	return memcg_is_before(&w->memcg) && ms < NEAR_TICK_MS ? (uint32_t)ms : NEAR_TICK_MS;
}

/* With this look an incident may open, or be seen to be open; of one that was seen, what is more since is its own. */
static void count_kills_at_open(struct watched *w)
{
	uint32_t word = shared_load(&w->guard->incident);

	if ((w->state != GUARD_QUIET && w->state != GUARD_NEAR) ||
	    (incident_is_open(word) && word == w->counted_word))
		return;
	shared_store(&w->guard->kills_at_open, w->guard->kernel_kills);
	w->counted_word = word;
}

/* Reads the kernel's state. */
struct look watch_take_look(struct watched *w, uint64_t now_ns)
{
	struct look look = { .cause = CAUSE_OOM };
	struct memcg_oom oom;
	struct memcg_room room;
	uint64_t left;
	int fired = w->fired, full, starving;
	int err = memcg_open_counters(&w->memcg);

	w->fired = 0;
	w->is_blind = err < 0 && err != -ENOENT && err != -ENODEV;
	if (w->is_blind)
		return look; /* no descriptors, or no memory: nothing is seen, nothing is held */
	if (err < 0 || memcg_oom(&w->memcg, &oom) || memcg_room(&w->memcg, &room)) {
		look.gone = 1;
		return look;
	}
	mend_switch(w, &oom);
	left = left_bytes(w, &room);
	w->near_ms = near_ms(w, &room);
	full = memcg_is_full(&room);
	wake_the_stale(w, &oom, full, now_ns);
	starving = is_starving(w, &oom, &room, now_ns);
	look.in_oom = is_in_oom(w, &oom, &room, fired, now_ns) || starving ||
		      (oom.held && is_relieved_already(w, fired, full));
	/* While we hold a group of v1 a kill in it is an ancestor's OOM's. */
	look.kernel_killed =
		oom.kills != w->guard->kernel_kills &&
		(w->state == GUARD_QUIET || memcg_is_v2(&w->memcg) || memcg_is_before(&w->memcg));
	if (!look.in_oom && look.kernel_killed)
		look.cause = CAUSE_KERNEL_KILL;
	else if (starving && !oom.waiting)
		look.cause = CAUSE_STARVING;
	else if (memcg_is_before(&w->memcg) && oom.held)
		look.cause = CAUSE_NEAR;
	look.unsettled = full || shared_load(&w->guard->dying) || w->stale_ns;
	look.incident_open = incident_is_open(shared_load(&w->guard->incident));
	look.fit = trial_is_fit(w);
	look.waits_for_end = look.fit && shared_load(&w->guard->dying) == DYING_ASKED &&
			     trial_left_ms(w, now_ns);
	look.overrode = !oom.held && guard_is_held(w->state);
	time_look(w, &look, &room, left, now_ns);
	look.inside_margin = is_to_be_held(w, &oom, &room, left);
	if (look.inside_margin)
		follow_limit(w);
	if (w->state == GUARD_OOM)
		look.reason = trial_judge(w, now_ns);
	look.overdue =
		w->state == GUARD_HANDED && look.in_oom && handed_is_overdue(w, &room, now_ns);
	w->is_far = !memcg_is_inside(&w->memcg, &oom, &room, w->guard->margin_bytes);
	if (w->deaf_ns && !look.in_oom && !look.incident_open)
		w->deaf_ns = now_ns + memcg_deaf_ms(&oom) * 1000000ull;
	w->under_oom = oom.under_oom;
	count_kills_at_open(w);
	shared_store(&w->guard->kernel_kills, oom.kills);
	return look;
}
