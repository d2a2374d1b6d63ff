/* SPDX-License-Identifier: MIT */
/* Description: rank_offer() keeps the largest, in order; rank_charged() never goes below zero. */
#include "../../native/rank.h"
#include "check.h"

int main(void)
{
	struct rank rank = { 0 };

	CHECK(rank_charged(10, 3) == 7);
	CHECK(rank_charged(3, 10) == 0);
	for (uint32_t i = 0; i < 1000; i++)
		rank_offer(&rank, i, (i * 7919) % 1000);
	CHECK(rank.n == CANDIDATES_MAX);
	for (uint32_t i = 0; i < rank.n; i++) {
		CHECK(rank.best[i].pages == 999 - i);
		CHECK(rank.best[i].slot * 7919 % 1000 == rank.best[i].pages);
	}
	rank = (struct rank){ 0 };
	rank_offer(&rank, 1, 5);
	rank_offer(&rank, 2, 5);
	rank_offer(&rank, 3, 6);
	CHECK(rank.n == 3 && rank.best[0].slot == 3 && rank.best[1].slot == 1);
	CHECK_DONE();
}
