/* SPDX-License-Identifier: MIT */
/* Hop 5: a role tells the agent what it did. */
#include "log.h"
#include "sys.h"

/* Did it change anything for somebody? */
static int is_deed(uint32_t step)
{
	switch (step) {
	case STEP_KILL:
	case STEP_KILL_GROUP:
	case STEP_TERMINATE:
	case STEP_FREEZE:
	case STEP_THAW:
	case STEP_MOVE:
	case STEP_RAISE:
	case STEP_GIVEN_BACK:
	case STEP_HANDED_OVER:
	case STEP_HANDLER_KILLED:
	case STEP_TOOK_OVER:
		return 1;
	default:
		return 0;
	}
}

/* The agent may get no CPU for a second while many groups are at OOM: then at least the end of each incident is told, and whom we
 * have killed. */
static uint32_t places_for(const struct log *log, uint32_t step)
{
	uint32_t share = log->size / LOG_LAST_SHARE;

	return log->size - (step == STEP_CLOSED ? 0 : is_deed(step) ? share : 2 * share);
}

int log_put(struct log *log, struct log_record record)
{
	uint64_t head = log->head, used = head - shared_load(&log->tail);

	if (used >= places_for(log, record.step)) {
		log->dropped++;
		return 0;
	}
	if (!record.t_ns)
		record.t_ns = sys_now_ns();
	log_records(log)[head & (log->size - 1)] = record;
	shared_store(&log->head, head + 1);
	return used + 1 == log->size / LOG_FILLS_SHARE;
}

/* How many records the log of a role has. */
static uint32_t size_of(enum role role, uint32_t guards_max)
{
	uint32_t size = LOG_RECORDS, part = role == ROLE_HANDLER ? 1 : 2;

	while (role != ROLE_DOOR && size < LOG_RECORDS_MOST / part &&
	       size < guards_max * LOG_RECORDS_A_GUARD / part)
		size *= 2;
	return size;
}

uint64_t log_bytes(uint32_t guards_max)
{
	uint64_t bytes = 0;

	for (enum role role = 0; role < ROLES; role++)
		bytes += size_of(role, guards_max) * sizeof(struct log_record);
	return bytes;
}

void log_place(struct region *r, uint64_t records)
{
	for (enum role role = 0; role < ROLES; role++) {
		uint64_t log = (uint64_t)((char *)&r->logs[role] - (char *)r);
		uint32_t size = size_of(role, r->guards_max);

		r->logs[role].size = size;
		r->logs[role].records_at = (uint32_t)(records - log);
		records += size * sizeof(struct log_record);
	}
}

uint32_t incident_open(struct guard *guard, uint64_t now_ns, int *opened)
{
	uint32_t word = shared_load(&guard->incident);
	uint64_t none = 0;

	*opened = 0;
	while (!*opened && !incident_is_open(word)) {
		*opened = __atomic_compare_exchange_n(&guard->incident, &word, word + 1, 0,
						      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		if (*opened)
			word++;
	}
	/* Who opened it may have been stopped before it set the timer: whoever comes next does. */
	__atomic_compare_exchange_n(&guard->opened_ns, &none, now_ns, 0, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	return word;
}

enum reason incident_reason(const struct guard *guard)
{
	uint64_t judged = shared_load(&guard->judged);

	return judged >> 32 == shared_load(&guard->incident) ? (enum reason)(uint32_t)judged
							     : REASON_NONE;
}

int incident_is_handed_over(const struct guard *guard)
{
	enum reason reason = incident_reason(guard);

	return reason != REASON_NONE && reason != REASON_SWITCH_WRITTEN && reason != REASON_BURST;
}

int incident_close(struct guard *guard, uint32_t word)
{
	uint64_t opened_ns = shared_load(&guard->opened_ns);

	if (!__atomic_compare_exchange_n(&guard->incident, &word, word + 1, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return 0;
	__atomic_compare_exchange_n(&guard->opened_ns, &opened_ns, 0, 0, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE); /* unless the next one has set it already */
	return 1;
}
