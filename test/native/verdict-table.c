/* SPDX-License-Identifier: MIT */
/* Description: verdict_next() makes the moves of native/README.md's table and no other. */
#include "../../native/verdict.h"
#include "check.h"

struct row {
	enum guard_state state;
	enum event event;
	enum guard_state next;
	enum act act;
};

static const struct row rows[] = {
	{ GUARD_QUIET, EVENT_NEAR, GUARD_NEAR, ACT_HOLD },
	{ GUARD_QUIET, EVENT_OOM, GUARD_HANDED, ACT_OPEN },
	{ GUARD_QUIET, EVENT_JOIN, GUARD_HANDED, ACT_OPEN },
	{ GUARD_NEAR, EVENT_JOIN, GUARD_RELIEF, ACT_OPEN },
	{ GUARD_NEAR, EVENT_FAR, GUARD_QUIET, ACT_LET_GO },
	{ GUARD_NEAR, EVENT_UNFIT, GUARD_QUIET, ACT_LET_GO },
	{ GUARD_NEAR, EVENT_OOM, GUARD_OOM, ACT_OPEN },
	{ GUARD_NEAR, EVENT_OVERRODE, GUARD_QUIET, ACT_YIELD },
	{ GUARD_OOM, EVENT_OVERRODE, GUARD_HANDED, ACT_YIELD },
	{ GUARD_RELIEF, EVENT_OVERRODE, GUARD_HANDED, ACT_YIELD },
	{ GUARD_OOM, EVENT_FREE, GUARD_RELIEF, ACT_NOTHING },
	{ GUARD_OOM, EVENT_VERDICT, GUARD_HANDED, ACT_HAND_OVER },
	{ GUARD_RELIEF, EVENT_OOM, GUARD_OOM, ACT_NOTHING },
	{ GUARD_RELIEF, EVENT_HELD, GUARD_NEAR, ACT_CLOSE },
	{ GUARD_HANDED, EVENT_HELD, GUARD_QUIET, ACT_CLOSE },
	{ GUARD_HANDED, EVENT_OVERDUE, GUARD_ALARM, ACT_CLOSE_UNRELIEVED },
	{ GUARD_ALARM, EVENT_HELD, GUARD_QUIET, ACT_NOTHING },
};

static const struct row *row_of(enum guard_state state, enum event event)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == state && rows[i].event == event)
			return &rows[i];
	return NULL;
}

int main(void)
{
	for (int state = GUARD_QUIET; state <= GUARD_ALARM; state++) {
		for (int event = 0; event < EVENTS; event++) {
			struct move move = verdict_next((enum guard_state)state, (enum event)event);
			const struct row *row = row_of((enum guard_state)state, (enum event)event);

			if (event == EVENT_GONE) {
				CHECK(move.state == GUARD_GONE && move.act == ACT_FORGET);
			} else if (row) {
				CHECK(move.state == row->next && move.act == row->act);
			} else {
				CHECK(move.state == state && move.act == ACT_NOTHING);
			}
		}
	}
	CHECK_DONE();
}
