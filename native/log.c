/* SPDX-License-Identifier: MIT */
/* Hop 5: a role tells the agent what it did. */
#include "log.h"
#include "sys.h"

/* The agent may get no CPU for a second while many groups are at OOM: then at least the end
 * of each incident is told. */
static uint32_t places_for(uint32_t step)
{
	return step == STEP_CLOSED ? LOG_RECORDS : LOG_RECORDS - LOG_RESERVED;
}

void log_put(struct log *log, struct log_record record)
{
	uint64_t head = log->head;

	if (head - shared_load(&log->tail) >= places_for(record.step)) {
		log->dropped++;
		return;
	}
	if (!record.t_ns)
		record.t_ns = sys_now_ns();
	log->records[head & (LOG_RECORDS - 1)] = record;
	shared_store(&log->head, head + 1);
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
