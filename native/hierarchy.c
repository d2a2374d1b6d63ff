/* SPDX-License-Identifier: MIT */
/* Where the cgroup hierarchies are mounted. */
#include "hierarchy.h"
#include "role.h"
#include "sys.h"
#include "text.h"

enum { MOUNTS_BYTES = 1024 * 1024 }; /* thousands of mounts; only what is filled is touched */

/* The kernel gives one page a read. */
static size_t read_mounts(char *mounts)
{
	int fd = sys_open("/proc/self/mounts", O_RDONLY);
	size_t len = 0;
	long n = fd;

	while (fd >= 0 && len < MOUNTS_BYTES) {
		n = sys_read(fd, mounts + len, MOUNTS_BYTES - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (fd >= 0)
		sys_close(fd);
	return len;
}

static int is_octal(const char *s)
{
	for (int i = 1; i <= 3; i++)
		if (s[i] < '0' || s[i] > '7')
			return 0;
	return s[0] == '\\';
}

/* Space, tab, newline and backslash are written in octal: "\040". */
static void add_unescaped(struct text *t, const char *path, const char *end)
{
	while (path < end) {
		char c = *path;

		if (end - path >= 4 && is_octal(path)) {
			c = (char)((path[1] - '0') << 6 | (path[2] - '0') << 3 | (path[3] - '0'));
			path += 3;
		}
		text_add(t, (char[]){ c, 0 });
		path++;
	}
}

/* "cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,memory 0 0" */
static int is_of(const char *options, const char *end, const char *controller)
{
	while (options < end && *options != ' ') {
		const char *name = options;

		while (options < end && *options != ',' && *options != ' ')
			options++;
		if ((size_t)(options - name) == text_len(controller) &&
		    !memcmp(name, controller, text_len(controller)))
			return 1;
		options += options < end && *options == ',';
	}
	return 0;
}

/* The first mount of a type, of v1 that of the controller. */
static void find_mount(const char *mounts, const char *end, const char *type,
		       const char *controller, struct text *found)
{
	for (const char *line = mounts, *stop; line < end && !found->len; line = stop) {
		const char *path, *options;

		stop = text_after(line, end, "\n");
		stop = stop ? stop : end;
		path = text_after(line, stop, " ");
		options = path ? text_after(path, stop, type) : 0;
		if (options && (!controller || is_of(options, stop, controller)))
			add_unescaped(found, path, options - text_len(type));
	}
}

void hierarchy_find(const char *controller, char *found, size_t size)
{
	char *mounts = role_memory(MOUNTS_BYTES);
	const char *end = mounts + read_mounts(mounts);
	struct text t = text_on(found, size);

	find_mount(mounts, end, " cgroup ", controller, &t);
	find_mount(mounts, end, " cgroup2 ", 0, &t);
	sys_munmap(mounts, MOUNTS_BYTES);
	if (!t.len) {
		text_add(&t, "/sys/fs/cgroup/");
		text_add(&t, controller);
	}
}
