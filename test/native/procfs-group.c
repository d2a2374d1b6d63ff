/* SPDX-License-Identifier: MIT */
/* Description: procfs_parse_group() tells the memory groups of v1 and v2 apart by their lines, whatever their names hold, and
 * makes nothing of a text that is cut. */
#include "../../native/procfs.h"
#include "check.h"
#include <stdlib.h>
#include <string.h>

/* 0: none. In a buffer of that size, so that a read behind it is found. */
static uint32_t group_in(const char *text, long n, int is_v2)
{
	uint32_t group = 0;
	char *exact = malloc(n ? (size_t)n : 1);
	int err;

	memcpy(exact, text, (size_t)n);
	err = procfs_parse_group(exact, n, is_v2, &group);
	free(exact);
	CHECK(!err == (group != 0));
	return group;
}

static uint32_t v1(const char *text) { return group_in(text, (long)strlen(text), 0); }
static uint32_t v2(const char *text) { return group_in(text, (long)strlen(text), 1); }

int main(void)
{
	static const char hybrid[] =
		"12:pids:/p\n7:cpu,memory,misc:/a/b\n1:name=systemd:/s\n0::/v\n";

	CHECK(v1(hybrid) == v1("3:memory:/a/b\n"));
	CHECK(v2(hybrid) == v2("0::/v\n"));
	CHECK(v1(hybrid) != v2(hybrid) && v1(hybrid) && v2(hybrid));
	CHECK(v1("3:memory:/a/b\n") != v1("3:memory:/a/c\n"));
	CHECK(v1("3:memory:/a:memory:/b\n") != v1("3:memory:/b\n"));
	CHECK(!v1("3:memory2:/a\n") && !v1("3:xmemory,mem:/a\n") && !v1("0::/memory\n"));
	CHECK(!v1("1:name=x:/:memory:/a\n"));
	CHECK(!v2("3:memory:/a\n") && !v2("0:x:/a\n"));
	CHECK(!v1("") && !v1("\n") && !v1(":") && !v1("3:memory") && !v2("0:") && !v2("::"));
	CHECK(!v1("3:memory:/cut")); /* its end is missing */
	for (long n = 0; n < (long)sizeof(hybrid) - 1; n++) {
		uint32_t cut = group_in(hybrid, n, 0);

		CHECK(!cut || cut == v1(hybrid));
		CHECK(!group_in(hybrid, n, 1));
	}
	for (unsigned seed = 1, i = 0; i < 100000; i++) {
		static const char some[] = "0:\n,/memory";
		char text[24];

		for (unsigned at = 0; at < sizeof(text); at++)
			text[at] = some[((seed = seed * 1664525 + 1013904223) >> 16) %
					(sizeof(some) - 1)];
		group_in(text, (long)(seed >> 8) % (long)sizeof(text), (int)(i & 1));
	}
	CHECK_DONE();
}
