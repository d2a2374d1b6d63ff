/* SPDX-License-Identifier: MIT */
/* Reads cgroup.procs and tasks. */
#include "pids.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

int pids_each(int list, char *buf, size_t size, pids_visit visit, void *arg)
{
	uint64_t offset = 0;
	size_t kept = 0; /* a number cut by the end of the last read */

	for (;;) {
		long n = sys_pread(list, buf + kept, size - kept, offset);
		const char *at = buf, *end;
		int ret;

		if (n <= 0)
			return (int)n;
		offset += (uint64_t)n;
		end = buf + kept + n;
		kept = 0;
		while (at < end) {
			const char *start = at;
			uint64_t pid = text_number(&at, end);

			if (at ==
			    end) { /* no newline behind it: the rest comes with the next read */
				kept = (size_t)(end - start);
				memcpy(buf, start, kept);
				break;
			}
			at++;
			ret = pid ? visit((uint32_t)pid, arg) : 0;
			if (ret)
				return ret;
		}
	}
}

int pids_each_now(int dir, const char *name, char *buf, size_t size, pids_visit visit, void *arg)
{
	int list = sys_openat(dir, name, O_RDONLY, 0);
	int ret = list < 0 ? list : pids_each(list, buf, size, visit, arg);

	if (list >= 0)
		sys_close(list);
	return ret;
}

int pids_open(int dir)
{
	int list = sys_openat(dir, "tasks", O_RDONLY, 0);

	return list == -ENOENT ? sys_openat(dir, "cgroup.procs", O_RDONLY, 0) : list;
}

static int refresh_one(int dir, void *arg)
{
	char some[16];
	int list = pids_open(dir);
	long n = list < 0 ? list : sys_pread(list, some, sizeof(some), 0);

	(void)arg;
	if (list >= 0)
		sys_close(list);
	return n < 0 && n != -ENOENT && n != -ENODEV ? (int)n
						     : 0; /* one may be removed meanwhile */
}

int pids_refresh(int dir)
{
	int err = refresh_one(dir, 0);

	if (!err)
		err = tree_walk(dir, refresh_one, 0);
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}

static int is_occupied(int dir, void *arg)
{
	char some[16];
	int list = pids_open(dir);
	long n = list < 0 ? 0 : sys_pread(list, some, sizeof(some), 0);

	(void)arg;
	if (list >= 0)
		sys_close(list);
	return n > 0;
}

int pids_any(int dir) { return is_occupied(dir, 0) || tree_walk(dir, is_occupied, 0) == 1; }
