/* SPDX-License-Identifier: MIT */
/* Description: memcpy(), memset() and memcmp() of the core touch the bytes that they are told and no other, at every length and alignment. */
#include "../../native/text.h"
#include "check.h"

#define memcpy core_memcpy
#define memset core_memset
#define memcmp core_memcmp
#include "../../native/memory.c"

enum { MOST = 40, MARGIN = 16, ALL = MOST + 2 * MARGIN };

static unsigned char from[ALL], to[ALL];

static void begin(void)
{
	for (int i = 0; i < ALL; i++) {
		from[i] = (unsigned char)(i + 100);
		to[i] = (unsigned char)i;
	}
}

static int is_as_before(int i, int at, int n) { return (i >= at && i < at + n) || to[i] == i; }

int main(void)
{
	for (int n = 0; n <= MOST; n++) {
		for (int at = 0; at < MARGIN; at++) {
			begin();
			CHECK(core_memcpy(to + at, from + 3, (size_t)n) == to + at);
			CHECK(!core_memcmp(to + at, from + 3, (size_t)n));
			for (int i = 0; i < ALL; i++)
				CHECK(is_as_before(i, at, n));
			for (int i = 0; i < n; i++)
				CHECK(to[at + i] == from[3 + i]);

			CHECK(core_memset(to + at, 0x1f5, (size_t)n) == to + at);
			for (int i = 0; i < ALL; i++)
				CHECK(is_as_before(i, at, n));
			for (int i = 0; i < n; i++)
				CHECK(to[at + i] == 0xf5);
		}
	}
	begin();
	CHECK(core_memcmp(from, to, 1) > 0);
	CHECK(core_memcmp(to, from, 1) < 0);
	CHECK_DONE();
}
