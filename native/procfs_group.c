/* SPDX-License-Identifier: MIT */
/* Which memory group a process is in: /proc/PID/cgroup, cgroups(7). */
#include "procfs.h"
#include "sys.h"
#include "text.h"

/* Is "memory" one of the controllers in front of a colon? */
static int has_memory(const char *at, const char *end)
{
	static const char memory[] = "memory";

	while (at < end) {
		const char *name = at;

		while (at < end && *at != ',')
			at++;
		if (at - name == sizeof(memory) - 1 && !memcmp(name, memory, sizeof(memory) - 1))
			return 1;
		at++;
	}
	return 0;
}

/* FNV-1a, never 0. */
static uint32_t hash_of(const char *at, const char *end)
{
	uint32_t hash = 2166136261u;

	for (; at < end; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	return hash ? hash : 1;
}

/* Lines of "NUMBER:CONTROLLERS:PATH"; that of v2 has no controllers. */
int procfs_parse_group(const char *buf, long n, int is_v2, uint32_t *group)
{
	const char *at = buf, *end = buf + n;

	while (at < end) {
		const char *names, *path, *line_end;

		for (names = at; names < end && *names != ':' && *names != '\n'; names++)
			;
		names += names < end && *names == ':';
		for (path = names; path < end && *path != ':' && *path != '\n'; path++)
			;
		for (line_end = path; line_end < end && *line_end != '\n'; line_end++)
			;
		if (line_end == end)
			return -EINVAL; /* cut */
		if (is_v2 ? names == path && *path == ':' : has_memory(names, path)) {
			*group = hash_of(path, line_end);
			return 0;
		}
		at = line_end + 1;
	}
	return -EINVAL;
}

int procfs_group(uint32_t pid, int is_v2, char *buf, size_t size, uint32_t *group)
{
	char name[32];
	struct text path = text_on(name, sizeof(name));
	long n;
	int fd;

	text_add(&path, "/proc/");
	text_add_number(&path, pid);
	text_add(&path, "/cgroup");
	fd = sys_open(name, O_RDONLY);
	n = fd < 0 ? fd : sys_pread(fd, buf, size, 0);
	if (fd >= 0)
		sys_close(fd);
	return n < 0 ? (int)n : procfs_parse_group(buf, n, is_v2, group);
}
