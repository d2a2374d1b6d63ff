/* SPDX-License-Identifier: MIT */
/* Description: table_add(), _find() and _remove() agree over 200,000 random turns; a full table says so. */
#include "../../native/table.h"
#include "check.h"

enum { PIDS = 4096 };

/* One process below three guards, among others in the same chain. */
static void check_guards(void)
{
	static struct recorder recorder;
	static uint16_t chain[PROCS_MAX];
	struct table table;
	uint32_t found = 0;

	table_init(&table, &recorder, chain);
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		table_add(&table, 0, pid);
	table_add(&table, 1, 7);
	table_add(&table, 2, 7);
	for (uint16_t slot = table_next_of(&table, 7, TABLE_NONE); slot != TABLE_NONE;
	     slot = table_next_of(&table, 7, slot)) {
		CHECK(recorder.latest[slot].pid == 7);
		found |= 1u << recorder.latest[slot].guard;
	}
	CHECK(found == 7);
	CHECK(table_next_of(&table, PIDS + 1, TABLE_NONE) == TABLE_NONE);
}

int main(void)
{
	static struct recorder recorder;
	static uint16_t chain[PROCS_MAX];
	static uint8_t in[PIDS];
	struct table_known known;
	struct table table;
	uint32_t seed = 1, n = 0;

	table_init(&table, &recorder, chain);
	for (int turn = 0; turn < 200000; turn++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t pid = (seed >> 8) % PIDS + 1;
		uint16_t slot = table_find(&table, pid % 3, pid);

		CHECK((slot != TABLE_NONE) == in[pid - 1]);
		if (slot == TABLE_NONE) {
			slot = table_add(&table, pid % 3, pid);
			CHECK(slot != TABLE_NONE && recorder.latest[slot].pid == pid);
			in[pid - 1] = 1;
		} else {
			table_remove(&table, slot);
			in[pid - 1] = 0;
		}
	}
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		if (in[pid - 1])
			n++;
	for (uint32_t pid = PIDS + 1; n < PROCS_MAX; pid++, n++)
		CHECK(table_add(&table, pid % 3, pid) != TABLE_NONE);
	CHECK(table_add(&table, 0, 999999) == TABLE_NONE);
	CHECK(table_ask(&table, (PIDS + 1) % 3, PIDS + 1, &known) == 0 && known.cpu_ns == 0);
	CHECK(table_ask(&table, 0, 999999, &known) < 0);
	CHECK(table_ask(&table, (PIDS + 2) % 3, PIDS + 1, &known) < 0); /* another guard's */
	check_guards();
	CHECK_DONE();
}
