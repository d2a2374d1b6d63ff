/* SPDX-License-Identifier: MIT */
/* Description: replay_rank() names first whom orders and rules want, and nobody who may not be killed or is not worth it. */
#include "../../native/replay.h"
#include "check.h"

enum { MIB = 256, PROCS = 6 };

static struct replayed p[PROCS] = {
	{ .pid = 10, .pages = 30 * MIB, .start_time = 1, .name = "cache", .uid = 7 },
	{ .pid = 11, .pages = 20 * MIB, .start_time = 2, .name = "worker", .grown = 9 * MIB },
	{ .pid = 12, .pages = 10 * MIB, .start_time = 3, .name = "tool" },
	{ .pid = 13, .pages = 90 * MIB, .oom_score_adj = -1000, .name = "safe" },
	{ .pid = 1, .pages = 90 * MIB, .name = "init" },
	{ .pid = 14, .pages = MIB / 2, .start_time = 9, .name = "small" },
};
static const struct weighing avoids = {
	.rules = 2,
	.rule = { { .uid = 7, .percent = 10 },
		  { .uid = (uint32_t)WEIGH_ANYBODY, .percent = 400, .name = 1 } },
	.text = "\0to*"
};

int main(void)
{
	uint32_t order[CANDIDATES_MAX];

	CHECK(replay_rank(p, PROCS, RANK_LARGEST, 0, order) == 3);
	CHECK(order[0] == 0 && order[1] == 1 && order[2] == 2 && p[0].percent == WEIGH_EVEN);
	CHECK(replay_rank(p, PROCS, RANK_NEWEST, 0, order) == 3 && order[0] == 2);
	CHECK(replay_rank(p, PROCS, RANK_FASTEST, 0, order) == 3 && order[0] == 1);
	CHECK(replay_rank(p, PROCS, RANK_LARGEST, &avoids, order) == 3);
	CHECK(order[0] == 2 && order[1] == 1 && order[2] == 0);
	CHECK(p[0].percent == 10 && p[1].percent == WEIGH_EVEN && p[2].percent == 400);
	CHECK(replay_rank(p, 0, RANK_LARGEST, 0, order) == 0);
	CHECK_DONE();
}
