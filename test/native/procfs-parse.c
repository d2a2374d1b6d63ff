/* SPDX-License-Identifier: MIT */
/* Description: procfs_parse_stat() and _statm() read what proc(5) says, hostile names and cut text included. */
#include "../../native/procfs.h"
#include "check.h"
#include <errno.h>
#include <string.h>

static const char tail[] = " S 1 2 3 4 5 64 7 8 9 10 11 12 13 14 20 0 1 0 987654 22 23";

static struct procfs_stat parsed(const char *comm, int *err)
{
	char buf[256];
	struct procfs_stat stat = { 0 };
	int n = snprintf(buf, sizeof(buf), "42 (%s)%s", comm, tail);

	buf[n] = ')'; /* of an earlier, longer call: not its own */
	*err = procfs_parse_stat(buf, n, &stat);
	return stat;
}

int main(void)
{
	struct procfs_stat stat;
	uint32_t pages = 0;
	int err;

	stat = parsed("leaker", &err);
	CHECK(!err && stat.start_time == 987654 && !strcmp(stat.comm, "leaker") &&
	      !stat.kernel_thread);
	CHECK(procfs_was_there(stat.start_time, 9876540000001) &&
	      !procfs_was_there(stat.start_time, 9876540000000));
	stat = parsed(") S 1 (\n", &err);
	CHECK(!err && stat.start_time == 987654 && !strcmp(stat.comm, ") S 1 (\n"));
	stat = parsed("", &err);
	CHECK(!err && stat.start_time == 987654);
	stat = parsed("fifteen bytes..", &err);
	CHECK(!err && !memcmp(stat.comm, "fifteen bytes..", COMM_BYTES));
	CHECK(procfs_parse_stat("42", 2, &stat) < 0);
	CHECK(procfs_parse_stat("", 0, &stat) < 0);

	CHECK(!procfs_parse_statm("100 50 20 1 0 30 0\n", 19, &pages) && pages == 30);
	CHECK(!procfs_parse_statm("100 10 20 1 0 30 0\n", 19, &pages) && pages == 0);
	CHECK(procfs_parse_statm("", 0, &pages) < 0);
	CHECK(procfs_parse_statm("0 0 0 0 0 0 0\n", 14, &pages) == -ESRCH);
	CHECK_DONE();
}
