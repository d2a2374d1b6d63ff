/* SPDX-License-Identifier: MIT */
/* Description: rank_key() puts first who the order is after: the largest as weighed, the newest, the fastest, the heaviest; never one not worth a kill, and weight 0 last. */
#include "check.h"
#include "rank-rows.h"

int main(void)
{
	for (unsigned i = 0; i < RANK_ROWS; i++) {
		const struct rank_row *row = &rank_rows[i];
		struct rank_key first = rank_key(row->by, &row->first);
		struct rank_key then = rank_key(row->by, &row->then);

		if (!rank_is_before(first, then) || rank_is_before(then, first))
			printf("%s\n", row->what), check_failures++;
	}
	CHECK_DONE();
}
