/* SPDX-License-Identifier: MIT */
#include "caps.h"

static uint32_t piece_at(uint64_t now_ns)
{
	return (uint32_t)(now_ns / (CAPS_PIECE_S * 1000000000ull));
}

/* Is what stands for that piece still of the last hour? */
static int counts(const struct caps_hour *hour, uint32_t piece, uint32_t at)
{
	uint32_t age = (hour->piece % CAPS_PIECES + CAPS_PIECES - at) % CAPS_PIECES;

	return piece - hour->piece + age < CAPS_PIECES;
}

uint32_t caps_kills(const struct caps_hour *hour, uint64_t now_ns)
{
	uint32_t piece = piece_at(now_ns), kills = 0;

	for (uint32_t at = 0; at < CAPS_PIECES; at++)
		kills += counts(hour, piece, at) ? hour->kills[at] : 0;
	return kills;
}

void caps_count(struct caps_hour *hour, uint64_t now_ns)
{
	uint32_t piece = piece_at(now_ns);

	for (uint32_t at = 0; at < CAPS_PIECES; at++)
		hour->kills[at] = counts(hour, piece, at) ? hour->kills[at] : 0;
	hour->piece = piece;
	if (hour->kills[piece % CAPS_PIECES] < CAPS_MOST)
		hour->kills[piece % CAPS_PIECES]++;
}
