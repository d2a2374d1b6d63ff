/* SPDX-License-Identifier: MIT */
/* One program a behaviour: exit 0 when it holds, 1 with a line for each check that does not. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

static int check_failures;

#define CHECK(what)                                                               \
	do {                                                                      \
		if (!(what)) {                                                    \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			check_failures++;                                         \
		}                                                                 \
	} while (0)

#define CHECK_DONE() return check_failures ? 1 : 0

#endif
