/* SPDX-License-Identifier: MIT */
/* Hop 4d: the owner opens an incident, and closes it with its outcome and reason. */
#include "log.h"
#include "watcher.h"

void watch_open_incident(struct watched *w, uint64_t now_ns)
{
	int opened;

	incident_open(w->guard, now_ns, &opened);
	w->handed_over = 0;
	w->handed_ns = now_ns;
	if (w->free_ns)
		w->free_ns =
			now_ns; /* relief has to hold from now on, however calm it was before */
	w->reason = w->state == GUARD_HANDED ? REASON_BURST : REASON_NONE;
	if (opened)
		watch_tell(w, STEP_OPENED, CAUSE_OOM, 0);
}

static enum outcome outcome_of(const struct watched *w, int unrelieved, enum reason *reason)
{
	int observing = !(w->guard->flags & GUARD_ALLOW_KILL);
	int killed_by_kernel = w->guard->kernel_kills != w->kills_at_open ||
			       switch_kills_below(w) > w->kills_below;
	int answered = w->guard->seen == w->guard->incident;

	*reason = w->reason;
	if (unrelieved)
		return OUTCOME_UNRELIEVED;
	if (observing) {
		*reason = REASON_OBSERVING;
		return OUTCOME_OBSERVED;
	}
	if (w->handed_over)
		return OUTCOME_HANDED_OVER;
	if (w->reason == REASON_BURST && killed_by_kernel)
		return OUTCOME_KERNEL_FIRST;
	if (answered && w->guard->kills) {
		*reason = REASON_KILLED;
		return OUTCOME_RELIEVED;
	}
	*reason = killed_by_kernel ? REASON_KERNEL_KILLED : REASON_NO_KILL_SEEN;
	return killed_by_kernel ? OUTCOME_KERNEL_FIRST : OUTCOME_EXITED_BY_ITSELF;
}

void watch_close_incident(struct watched *w, int unrelieved)
{
	uint32_t word = shared_load(&w->guard->incident);
	enum reason reason;
	enum outcome outcome = outcome_of(w, unrelieved, &reason);

	if (!incident_is_open(word))
		return;
	log_put(watcher.self.log,
		(struct log_record){ .guard = w->index,
				     .step = STEP_CLOSED,
				     .incident = incident_number(word),
				     .arg = (uint32_t)outcome << 16 | (uint32_t)reason,
				     .bytes = w->guard->faults });
	incident_close(w->guard, word);
	w->kills_below = switch_kills_below(w);
	role_wake(FD_AGENT);
}
