/* SPDX-License-Identifier: MIT */
/* Description: caps_kills() counts each kill for an hour, and for no longer than a piece more. */
#include "../../native/caps.h"
#include "check.h"

#define SECOND_NS 1000000000ull
#define HOUR_S 3600u

enum { KILLS = 400 };

static uint32_t drawn(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u; /* Numerical Recipes */
	return (*seed >> 8) % below;
}

/* Against a list of all kills. */
static void check_drawn(uint32_t seed)
{
	static uint64_t at_s[KILLS];
	struct caps_hour hour = { 0 };
	uint64_t now_s = drawn(&seed, 100000);

	for (int n = 0; n < KILLS; n++) {
		uint32_t least = 0, most = 0, kills;

		now_s += drawn(&seed, drawn(&seed, 8) ? 300 : 9000);
		kills = caps_kills(&hour, now_s * SECOND_NS);
		for (int i = 0; i < n; i++) {
			least += now_s - at_s[i] < HOUR_S;
			most += now_s - at_s[i] < HOUR_S + CAPS_PIECE_S;
		}
		CHECK(kills >= least);
		CHECK(kills <= most);
		at_s[n] = now_s;
		caps_count(&hour, now_s * SECOND_NS);
	}
}

int main(void)
{
	struct caps_hour hour = { 0 };

	CHECK(caps_kills(&hour, 0) == 0);
	CHECK(caps_kills(&hour, 1000000 * SECOND_NS) == 0);
	for (int i = 0; i < UINT16_MAX + 2; i++)
		caps_count(&hour, 7 * SECOND_NS);
	CHECK(caps_kills(&hour, 7 * SECOND_NS) == UINT16_MAX);
	CHECK(caps_kills(&hour, 4200 * SECOND_NS) == 0);
	for (uint32_t seed = 1; seed <= 20; seed++)
		check_drawn(seed);
	CHECK_DONE();
}
