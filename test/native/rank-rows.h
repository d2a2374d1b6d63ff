/* SPDX-License-Identifier: MIT */
/* Of two processes, who comes first, by each order: what rank_key() says (rank-key.c), and what explain() shows (explain-why.c). */
#ifndef RANK_ROWS_H
#define RANK_ROWS_H

#include "../../native/rank.h"

enum { MB = 256 /* pages */ };

struct rank_row {
	const char *what;
	enum rank_by by;
	struct rank_facts first, then;
};

#define FACTS(...)                          \
	{                                   \
		.percent = 100, __VA_ARGS__ \
	}
static const struct rank_row rank_rows[] = {
	{ "the larger", RANK_LARGEST, FACTS(.pages = 9 * MB), FACTS(.pages = 8 * MB) },
	{ "one preferred",
	  RANK_LARGEST,
	  { .pages = 3 * MB, .percent = 400 },
	  FACTS(.pages = 11 * MB) },
	{ "one larger than the preferred",
	  RANK_LARGEST,
	  FACTS(.pages = 13 * MB),
	  { .pages = 3 * MB, .percent = 400 } },
	{ "one avoided that holds more all the same",
	  RANK_LARGEST,
	  { .pages = 9 * MB, .percent = 25 },
	  FACTS(.pages = 2 * MB) },
	{ "before weight 0 anybody",
	  RANK_LARGEST,
	  FACTS(.pages = 1 * MB),
	  { .pages = 999 * MB, .percent = 0 } },
	{ "of two with weight 0 the larger",
	  RANK_LARGEST,
	  { .pages = 9 * MB, .percent = 0 },
	  { .pages = 8 * MB, .percent = 0 } },
	{ "weight 0 before one not worth a kill",
	  RANK_LARGEST,
	  { .pages = 2 * MB, .percent = 0 },
	  { .pages = MB - 1, .percent = 4000 } },
	{ "the highest product there is",
	  RANK_LARGEST,
	  { .pages = UINT32_MAX, .percent = WEIGH_MOST },
	  { .pages = UINT32_MAX - 1, .percent = WEIGH_MOST } },
	{ "the newer", RANK_NEWEST, FACTS(.start_time = 5, .pages = MB),
	  FACTS(.start_time = 4, .pages = 9 * MB) },
	{ "of one start the larger", RANK_NEWEST, FACTS(.start_time = 5, .pages = 2 * MB),
	  FACTS(.start_time = 5, .pages = MB) },
	{ "not a newer that holds nothing", RANK_NEWEST, FACTS(.start_time = 4, .pages = MB),
	  FACTS(.start_time = 5, .pages = MB - 1) },
	{ "a newborn", RANK_NEWEST, FACTS(.start_time = UINT64_MAX, .pages = MB),
	  FACTS(.start_time = 5, .pages = MB) },
	{ "not a newer with weight 0",
	  RANK_NEWEST,
	  FACTS(.start_time = 4, .pages = MB),
	  { .start_time = 5, .pages = 9 * MB, .percent = 0 } },
	{ "the faster", RANK_FASTEST, FACTS(.grown = 2 * MB, .pages = 3 * MB),
	  FACTS(.grown = MB, .pages = 99 * MB) },
	{ "of those that do not grow the larger", RANK_FASTEST, FACTS(.pages = 4 * MB),
	  FACTS(.pages = 3 * MB) },
	{ "one that is preferred for its growth",
	  RANK_FASTEST,
	  { .grown = MB, .pages = 2 * MB, .percent = 400 },
	  FACTS(.grown = 3 * MB, .pages = 9 * MB) },
	{ "the heavier", RANK_WEIGHT, { .pages = MB, .percent = 101 }, FACTS(.pages = 99 * MB) },
	{ "of one weight the larger",
	  RANK_WEIGHT,
	  { .pages = 3 * MB, .percent = 50 },
	  { .pages = 2 * MB, .percent = 50 } },
};

enum { RANK_ROWS = sizeof(rank_rows) / sizeof(*rank_rows) };

#endif
