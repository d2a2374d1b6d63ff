/* SPDX-License-Identifier: MIT */
/* Hop 3: how many kills there may be. Pure. */
#ifndef RPV_CAPS_H
#define RPV_CAPS_H

#include "limits.h"
#include <stdint.h>

enum {
	CAPS_PIECE_S = 600,
	CAPS_MOST = UINT16_MAX, /* that are counted of a piece, and so the highest cap */
	CAPS_PIECES = 7, /* the one that goes on, and the six before: any last hour is in them */
};

/* The kills of the last hour, and of up to a piece more. */
struct caps_hour {
	uint32_t piece; /* of CLOCK_MONOTONIC, the one that goes on */
	uint16_t kills[CAPS_PIECES];
	uint16_t reserved;
};

/* Never less than there were in the hour before now. */
uint32_t caps_kills(const struct caps_hour *hour, uint64_t now_ns);
void caps_count(struct caps_hour *hour, uint64_t now_ns);

#endif
