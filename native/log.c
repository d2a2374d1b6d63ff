/* SPDX-License-Identifier: MIT */
/* Hop 5: a role tells the agent what it did. */
#include "log.h"
#include "sys.h"

void log_put(struct log *log, struct log_record record)
{
	uint64_t head = log->head;

	if (head - shared_load(&log->tail) >= LOG_RECORDS) {
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

	*opened = 0;
	while (!incident_is_open(word)) {
		if (__atomic_compare_exchange_n(&guard->incident, &word, word + 1, 0,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			shared_store(&guard->opened_ns, now_ns);
			*opened = 1;
			return word + 1;
		}
	}
	return word;
}

void incident_close(struct guard *guard, uint32_t word)
{
	shared_store(&guard->opened_ns, 0);
	__atomic_compare_exchange_n(&guard->incident, &word, word + 1, 0, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
}
