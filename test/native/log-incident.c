/* SPDX-License-Identifier: MIT */
/* Description: log_put() drops and counts when full, deeds later than other steps, and ends last; an incident is opened once
 * and closed by its word only. */
#include "../../native/log.h"
#include "check.h"

static struct {
	struct log log;
	struct log_record records[LOG_RECORDS];
} of = { .log = { .size = LOG_RECORDS, .records_at = sizeof(struct log) } };

/* So many of them find a place. */
static uint32_t fit(uint32_t step)
{
	uint64_t head = of.log.head;

	for (uint32_t i = 0; i < 2 * LOG_RECORDS; i++)
		log_put(&of.log, (struct log_record){ .step = step });
	return (uint32_t)(of.log.head - head);
}

int main(void)
{
	enum { LAST = LOG_RECORDS / LOG_LAST_SHARE, FILLS = LOG_RECORDS / LOG_FILLS_SHARE };
	static struct guard guard;
	int opened;
	uint32_t word;

	for (uint32_t i = 1; i < FILLS; i++)
		CHECK(!log_put(&of.log, (struct log_record){ .step = STEP_SEEN }));
	CHECK(log_put(&of.log, (struct log_record){ .step = STEP_SEEN })); /* it begins to fill */
	CHECK(!log_put(&of.log, (struct log_record){ .step = STEP_SEEN }));
	CHECK(fit(STEP_SEEN) == LOG_RECORDS - 2 * LAST - FILLS - 1);
	CHECK(fit(STEP_KILL) == LAST);
	CHECK(fit(STEP_CLOSED) == LAST);
	CHECK(of.log.head == LOG_RECORDS && of.log.dropped == 5 * LOG_RECORDS + FILLS + 1);
	CHECK(of.records[0].step == STEP_SEEN && of.records[0].t_ns != 0);
	of.log.tail = 1;
	log_put(&of.log, (struct log_record){ .step = STEP_CLOSED, .t_ns = 5 });
	CHECK(of.log.head == LOG_RECORDS + 1 && of.records[0].step == STEP_CLOSED);
	CHECK(of.records[0].t_ns == 5);
	CHECK(log_bytes(1) == ROLES * LOG_RECORDS * sizeof(struct log_record));
	CHECK(log_bytes(100) == (LOG_RECORDS_MOST * 2 + LOG_RECORDS) * sizeof(struct log_record));
	CHECK(log_bytes(100) == log_bytes(10000));

	word = incident_open(&guard, 1234, &opened);
	CHECK(opened && incident_is_open(word) && incident_number(word) == 1);
	CHECK(guard.opened_ns == 1234);
	CHECK(incident_open(&guard, 5678, &opened) == word && !opened && guard.opened_ns == 1234);
	incident_close(&guard, word);
	CHECK(!incident_is_open(guard.incident) && guard.opened_ns == 0);
	incident_close(&guard, word);
	CHECK(guard.incident == word + 1);
	word = incident_open(&guard, 9, &opened);
	CHECK(opened && incident_number(word) == 2);
	CHECK_DONE();
}
