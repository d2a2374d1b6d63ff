/* SPDX-License-Identifier: MIT */
/* The ledger: which groups a reprieve may have switched. */
#include "ledger.h"
#include "lock.h"
#include "sys.h"
#include "text.h"

static uint64_t offset_of(uint32_t index)
{
	return sizeof(struct ledger) + (uint64_t)index * sizeof(struct ledger_record);
}

int ledger_create(const char *file, uint32_t records)
{
	struct ledger head = { LEDGER_MAGIC, LEDGER_LAYOUT, records };
	int fd = sys_openat(AT_FDCWD, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	int err;

	if (fd < 0)
		return fd;
	err = lock_take(fd);
	if (err >= 0)
		err = sys_fallocate(fd, offset_of(records));
	if (err >= 0)
		err = sys_pwrite(fd, &head, sizeof(head), 0) == sizeof(head) ? 0 : -EIO;
	if (err < 0) {
		sys_close(fd);
		sys_unlink(file);
		return err;
	}
	return fd;
}

int ledger_add(int fd, uint32_t index, const char *path, int owned)
{
	struct ledger_record record = { .owned = owned != 0 };
	struct text t = text_on(record.path, sizeof(record.path));
	struct statx st;
	int err = sys_statx(AT_FDCWD, path, 0, STATX_INO, &st);

	if (err)
		return err;
	text_add(&t, path);
	if (t.cut)
		return -ENAMETOOLONG;
	record.inode = st.stx_ino;
	return sys_pwrite(fd, &record, sizeof(record), offset_of(index)) == sizeof(record) ? 0
											   : -EIO;
}

int ledger_remove(int fd, uint32_t index)
{
	static const struct ledger_record none;

	return sys_pwrite(fd, &none, sizeof(none), offset_of(index)) == sizeof(none) ? 0 : -EIO;
}

static int set(int fd, uint32_t index, uint64_t at, const void *value, size_t size)
{
	long n = sys_pwrite(fd, value, size, offset_of(index) + at);

	return n == (long)size ? 0 : n < 0 ? (int)n : -EIO;
}

int ledger_set_high(int fd, uint32_t index, const struct memcg_high *high)
{
	return set(fd, index, offsetof(struct ledger_record, high), high, sizeof(*high));
}

int ledger_set_raise(int fd, uint32_t index, const struct memcg_raise *raise)
{
	return set(fd, index, offsetof(struct ledger_record, raised), raise, sizeof(*raise));
}

int ledger_set_frozen(int fd, uint32_t index, uint64_t inode)
{
	return set(fd, index, offsetof(struct ledger_record, frozen), &inode, sizeof(inode));
}

int ledger_owns(int fd)
{
	struct ledger_record record;
	int got = 0;

	for (uint32_t i = 0; got >= 0; i++) {
		got = ledger_read(fd, i, &record);
		if (got == 1 && record.owned)
			return 1;
	}
	return got == -ERANGE ? 0 : got;
}

int ledger_read(int fd, uint32_t index, struct ledger_record *record)
{
	struct ledger head;
	long n = sys_pread(fd, &head, sizeof(head), 0);

	if (n != sizeof(head) || head.magic != LEDGER_MAGIC || head.layout != LEDGER_LAYOUT)
		return -EPROTO;
	if (index >= head.records)
		return -ERANGE;
	n = sys_pread(fd, record, sizeof(*record), offset_of(index));
	if (n != sizeof(*record))
		return n < 0 ? (int)n : -EIO;
	record->path[PATH_BYTES - 1] = 0;
	return record->inode != 0;
}
