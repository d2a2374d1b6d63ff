/* SPDX-License-Identifier: MIT */
/* Description: a ledger keeps its records and its lock for as long as any process holds the descriptor. */
#define _GNU_SOURCE
#include "../../native/ledger.h"
#include "../../native/lock.h"
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char dir[] = "/tmp/reprieve-ledger-XXXXXX", file[64];
	struct ledger_record record;
	int fd, other, ends[2];
	pid_t child;

	CHECK(mkdtemp(dir) != NULL && pipe(ends) == 0);
	snprintf(file, sizeof(file), "%s/ledger", dir);
	fd = ledger_create(file, 4);
	CHECK(fd >= 0);
	CHECK(ledger_create(file, 4) < 0);
	CHECK(ledger_add(fd, 2, dir, 1) == 0);
	CHECK(ledger_add(fd, 1, "/does/not/exist", 0) < 0);
	other = open(file, O_RDWR);
	CHECK(lock_is_held(other));
	CHECK(ledger_read(other, 0, &record) == 0);
	CHECK(ledger_read(other, 2, &record) == 1 && !strcmp(record.path, dir) && record.inode &&
	      record.owned);
	CHECK(ledger_read(other, 4, &record) < 0);
	child = fork();
	if (!child) {
		char c;

		close(ends[1]);
		_exit(read(ends[0], &c, 1) != 0);
	}
	close(fd);
	CHECK(lock_is_held(other)); /* the child inherited it */
	close(ends[1]);
	waitpid(child, NULL, 0);
	CHECK(!lock_is_held(other));
	CHECK(ledger_remove(other, 2) == 0 && ledger_read(other, 2, &record) == 0);
	CHECK(pwrite(other, "x", 1, 0) == 1 && ledger_read(other, 2, &record) < 0);
	unlink(file);
	rmdir(dir);
	CHECK_DONE();
}
