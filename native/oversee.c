/* SPDX-License-Identifier: MIT */
/* Hop 4a: the watcher that does not own the switch sees to it that the owner does its work. */
#include "log.h"
#include "sys.h"
#include "watcher.h"

/* model: watcher_takes_over */
static void take_over(enum reason reason)
{
	struct region *r = watcher.self.region;
	uint32_t from = (uint32_t)watcher_other_role();

	if (!__atomic_compare_exchange_n(&r->owner, &from, (uint32_t)watcher.self.role, 0,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];
		uint32_t word = shared_load(&w->guard->incident);

		if (!w->attached || w->guard->state == GUARD_NONE)
			continue;
		watch_resume(w);
		log_put(watcher.self.log,
			(struct log_record){
				.guard = i,
				.step = STEP_TOOK_OVER,
				.arg = reason,
				.incident = incident_is_open(word) ? incident_number(word) : 0 });
	}
	role_wake(FD_AGENT);
}

int oversee_is_near(const struct watched *w)
{
	return w->attached && guard_is_held(shared_load(&w->guard->state)) &&
	       !memcg_is_v2(&w->memcg);
}

/* Is any held group in OOM? On v1 an event may be lost behind an ancestor's OOM. */
static int any_waits(void)
{
	struct memcg_oom oom = { 0 };

	for (uint32_t i = 0; i < watcher.guards && !oom.under_oom; i++)
		if (oversee_is_near(&watcher.watched[i]))
			memcg_oom(&watcher.watched[i].memcg, &oom);
	return oom.under_oom;
}

static void forget_events(void)
{
	watcher.event_ns = 0;
	for (uint32_t i = 0; i < watcher.guards; i++)
		watcher.watched[i].fired = 0;
}

/*
 * How long the owner has not moved, as far as it could: of a time in which we did not look either, one tick counts. What keeps
 * us from a CPU keeps it too, and who of us wakes first then is chance.
 */
static uint64_t silence_ns(uint64_t beat_ns, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - watcher.oversaw_ns, tick_ns = WATCH_TICK_MS * 1000000ull;

	if (!watcher.oversaw_ns || beat_ns != watcher.beat_ns)
		watcher.silent_ns = 0;
	else
		watcher.silent_ns += since_ns < tick_ns ? since_ns : tick_ns;
	watcher.beat_ns = beat_ns;
	watcher.oversaw_ns = now_ns;
	return watcher.silent_ns;
}

/* model: watcher_oversees */
int oversee_owner(uint64_t now_ns, int peer_alive)
{
	const struct helper *owner = &watcher.self.region->helpers[watcher_other_role()];
	uint64_t beat_ns = shared_load(&owner->beat_ns);
	uint64_t silent_ns =
		(shared_load(&owner->is_slow) ? SLOW_AFTER_MS : SILENT_AFTER_MS) * 1000000ull;
	int open = watcher.is_any_open, near = watcher.is_any_near;

	if (!peer_alive && watcher.other_pid) {
		take_over(REASON_OWNER_DEAD);
		return 0;
	}
	if (!watcher.event_ns && near && now_ns >= watcher.near_ns + NEAR_TICK_MS * 1000000ull) {
		watcher.near_ns = now_ns;
		if (any_waits())
			watcher.event_ns = now_ns;
	}
	if (watcher.event_ns && shared_load(&owner->turned_ns) >= watcher.event_ns && !open)
		forget_events();   /* it has looked since */
	else if (watcher.event_ns) /* it may have looked just before: it shows now, or is silent */
		watcher_wake_other();
	if (!watcher.event_ns && !open) {
		watcher.oversaw_ns = 0;
		return near ? NEAR_TICK_MS : -1;
	}
	if (!watcher.event_ns)
		watcher.event_ns =
			now_ns; /* an incident is open: from now on its beat must be fresh */
	if (silence_ns(beat_ns, now_ns) >= silent_ns) {
		take_over(REASON_OWNER_SILENT);
		return 0;
	}
	return WATCH_TICK_MS;
}
