/* SPDX-License-Identifier: MIT */
/* The FFI library: whose a group is, and what is to be put back. */
#include "ffi.h"
#include "freezer.h"
#include "ledger.h"
#include "lock.h"
#include "memcg.h"
#include "sys.h"

/* The lock against a second reprieve: a descriptor to be kept, -EAGAIN when another one guards
 * the group. */
EXPORT int rpv_group_lock(const char *path)
{
	int dir = sys_open(path, O_RDONLY | O_DIRECTORY);
	int fd = dir < 0 ? dir : memcg_open_switch(dir, O_RDWR);
	int err;

	if (dir >= 0)
		sys_close(dir);
	if (fd < 0)
		return fd;
	err = lock_take(fd);
	if (err) {
		sys_close(fd);
		return err;
	}
	return fd;
}

EXPORT int rpv_ledger_create(const char *file, uint32_t guards_max)
{
	return ledger_create(file, guards_max);
}

EXPORT int rpv_ledger_add(int fd, uint32_t index, const char *path, int owned)
{
	return ledger_add(fd, index, path, owned);
}

EXPORT int rpv_ledger_remove(int fd, uint32_t index) { return ledger_remove(fd, index); }

/* 1: the reprieve of an open ledger has made a group, 0: none; -EPROTO: it is of another version. */
EXPORT int rpv_ledger_owns(int fd) { return ledger_owns(fd); }

static int find_record(int ledger, const char *path, struct ledger_record *record)
{
	struct statx st;
	int err = sys_statx(AT_FDCWD, path, 0, STATX_INO, &st);
	int got = err;

	for (uint32_t i = 0; got >= 0; i++) {
		got = ledger_read(ledger, i, record);
		if (got == 1 && record->inode == st.stx_ino)
			return 0;
	}
	return got == -ERANGE ? -ENOENT : got;
}

/* Puts the switch of the group at `path` back, as an open ledger says, where its dead or stopped watchers have left it held.
 * The caller has the lock on it. */
EXPORT int rpv_ledger_put_back(int fd, const char *path)
{
	struct ledger_record record;
	struct memcg m;
	int err = find_record(fd, path, &record);

	if (!err)
		err = memcg_open(&m, sys_open(path, O_RDONLY | O_DIRECTORY), 1, &record.high);
	if (err)
		return err;
	if (record.raised.added_bytes && memcg_open_counters(&m) >= 0)
		memcg_give_back(&m, &record.raised);
	if (record.frozen)
		freezer_thaw_child(m.dir, record.frozen);
	err = memcg_put_back(&m);
	memcg_close(&m);
	return err < 0 ? err : 0;
}

EXPORT int rpv_lock_is_held(int fd) { return lock_is_held(fd); }

EXPORT int rpv_lock_take(int fd) { return lock_take(fd); }
