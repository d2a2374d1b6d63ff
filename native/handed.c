/* SPDX-License-Identifier: MIT */
/* Hop 4b: what becomes of a group that was handed over. */
#include "handed.h"
#include "kernel_rule.h"
#include "log.h"
#include "sys.h"

void handed_begin(struct watched *w, uint64_t now_ns)
{
	w->starved = 0; /* it has more room now: perhaps that is relief */
	shared_store(&w->guard->ruled, 0);
	shared_store(&w->guard->kills_handed, w->guard->kernel_kills);
	shared_store(&w->guard->handed_ns, now_ns);
}

static uint32_t handed_ms(const struct watched *w, uint64_t now_ns)
{
	return watch_ms_since(shared_load(&w->guard->handed_ns), now_ns);
}

/* Who sleeps over memory.high when it is lifted, sleeps on: until the kernel has killed, or they have slept out and grown,
 * nobody knows whether that was relief. */
static int sleeps_out(const struct watched *w, uint32_t kernel_kills, uint64_t now_ns)
{
	return w->state == GUARD_HANDED && w->handed_over &&
	       kernel_kills == w->guard->kills_handed && handed_ms(w, now_ns) < SLEPT_OUT_MS;
}

/* Has the kernel found nobody to kill when a charge failed? */
static int is_stuck(struct watched *w, const struct memcg_oom *oom, uint64_t now_ns)
{
	if (oom->kills != w->kills_seen)
		w->stuck_ns = 0;
	else if (oom->ooms != w->ooms_seen)
		w->stuck_ns = now_ns;
	w->kills_seen = oom->kills;
	w->ooms_seen = oom->ooms;
	return w->stuck_ns && watch_ms_since(w->stuck_ns, now_ns) < HANDED_OVER_BOUND_MS;
}

int handed_is_in_oom(struct watched *w, const struct memcg_oom *oom, const struct memcg_room *room,
		     uint64_t now_ns)
{
	int stuck = is_stuck(w, oom, now_ns);

	if (w->state != GUARD_HANDED && w->state != GUARD_ALARM)
		return 0; /* the kernel's own: all that is to be seen of it is its kill */
	return (stuck && memcg_in_oom(oom, room)) ||
	       (memcg_is_full(room) && sleeps_out(w, oom->kills, now_ns));
}

static uint32_t kernels_time_ms(const struct watched *w)
{
	if (!w->handed_over || !memcg_has_mark(&w->memcg) || w->guard->ruled)
		return HANDED_OVER_BOUND_MS;
	return memcg_is_owners(&w->memcg) ? 0 : SLEPT_OUT_MS;
}

/* What oom_score_adj is a share of: without a memory.max, memory.high takes its place. */
static uint64_t base_bytes(const struct memcg_room *room)
{
	return room->limit_bytes != MEMCG_NO_LIMIT ? room->limit_bytes : room->high_bytes;
}

int handed_is_overdue(struct watched *w, const struct memcg_room *room, uint64_t now_ns)
{
	struct log_record killed = { .guard = w->index, .step = STEP_KILL };
	uint32_t ms = handed_ms(w, now_ns);

	if (ms < kernels_time_ms(w))
		return 0;
	if (!w->handed_over || !memcg_has_mark(&w->memcg))
		return 1;
	if (!(w->guard->flags & GUARD_ALLOW_KILL))
		return ms >= HANDED_OVER_BOUND_MS;
	/* Before: who takes over in the middle must not kill another one at once. */
	shared_store(&w->guard->ruled, 1);
	shared_store(&w->guard->handed_ns, now_ns);
	shared_store(&watcher.self.me->is_slow, 1);
	killed.result = kernel_rule_kill(w->memcg.dir, base_bytes(room), &killed);
	shared_store(&watcher.self.me->is_slow, 0);
	killed.incident = incident_number(shared_load(&w->guard->incident));
	if (killed.result == -ESRCH)
		return ms >= HANDED_OVER_BOUND_MS;
	log_put(watcher.self.log, killed);
	role_wake(FD_AGENT);
	return 0;
}
