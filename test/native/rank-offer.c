/* SPDX-License-Identifier: MIT */
/* Description: rank_offer() keeps the first, in order; rank_charged() never goes below zero. */
#include "../../native/rank.h"
#include "check.h"

static struct rank_key of(uint64_t first) { return (struct rank_key){ first, 0 }; }

int main(void)
{
	struct rank rank = { 0 };

	CHECK(rank_charged(10, 3) == 7);
	CHECK(rank_charged(3, 10) == 0);
	for (uint32_t i = 0; i < 1000; i++)
		rank_offer(&rank, i, of((i * 7919) % 1000));
	CHECK(rank.n == CANDIDATES_MAX);
	for (uint32_t i = 0; i < rank.n; i++) {
		CHECK(rank.best[i].key.first == 999 - i);
		CHECK(rank.best[i].slot * 7919 % 1000 == rank.best[i].key.first);
	}
	rank = (struct rank){ 0 };
	rank_offer(&rank, 1, of(5));
	rank_offer(&rank, 2, of(5));
	rank_offer(&rank, 3, of(6));
	CHECK(rank.n == 3 && rank.best[0].slot == 3 && rank.best[1].slot == 1);
	CHECK_DONE();
}
