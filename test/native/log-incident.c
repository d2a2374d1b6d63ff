/* SPDX-License-Identifier: MIT */
/* Description: log_put() drops and counts when full; an incident is opened once and closed by its word only. */
#include "../../native/log.h"
#include "check.h"

int main(void)
{
	static struct log log;
	static struct guard guard;
	int opened;
	uint32_t word;

	for (uint32_t i = 0; i < LOG_RECORDS; i++)
		log_put(&log, (struct log_record){ .step = STEP_KILL });
	CHECK(log.head == LOG_RECORDS - LOG_RESERVED && log.dropped == LOG_RESERVED);
	for (uint32_t i = 0; i < LOG_RESERVED + 3; i++)
		log_put(&log, (struct log_record){ .step = STEP_CLOSED });
	CHECK(log.head == LOG_RECORDS && log.dropped == LOG_RESERVED + 3);
	CHECK(log.records[0].step == STEP_KILL && log.records[0].t_ns != 0);
	log.tail = 1;
	log_put(&log, (struct log_record){ .step = STEP_CLOSED, .t_ns = 5 });
	CHECK(log.head == LOG_RECORDS + 1 && log.records[0].step == STEP_CLOSED);
	CHECK(log.records[0].t_ns == 5);

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
