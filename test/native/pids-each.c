/* SPDX-License-Identifier: MIT */
/* Description: pids_each() sees every pid once, however the reads cut the text, and passes zeros over. */
#define _GNU_SOURCE
#include "../../native/pids.h"
#include "check.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t seen[64], count;

static int visit(uint32_t pid, void *arg)
{
	(void)arg;
	seen[count++ % 64] = pid;
	return pid == 777;
}

int main(void)
{
	static const char text[] = "1\n0\n23\n4567\n89\n1234567\n";
	static const uint32_t pids[] = { 1, 23, 4567, 89, 1234567 };
	int fd = memfd_create("pids", 0);
	char buf[32];

	CHECK(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
	for (size_t size = 8; size <= sizeof(buf); size++) {
		count = 0;
		CHECK(pids_each(fd, buf, size, visit, 0) == 0);
		CHECK(count == 5 && !memcmp(seen, pids, sizeof(pids)));
	}
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, "5\n777\n9\n", 8, 0) == 8);
	count = 0;
	CHECK(pids_each(fd, buf, sizeof(buf), visit, 0) == 1 && count == 2);
	CHECK(pids_each(-1, buf, sizeof(buf), visit, 0) < 0);
	CHECK_DONE();
}
