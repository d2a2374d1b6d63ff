/* SPDX-License-Identifier: MIT */
/*
 * breathers DIRECTORY...: becomes a process in each of these groups that takes or gives back 1 MB every second; they die with it.
 */
#define _GNU_SOURCE
#include "page.h"
#include <fcntl.h>
#include <sys/wait.h>

#define BREATH_BYTES (1 << 20)

static void join(const char *group)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail(path);
	close(fd);
}

static void breathe(void)
{
	char *own = mmap(NULL, BREATH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (own == MAP_FAILED)
		fail("mmap");
	for (;;) {
		for (size_t at = 0; at < BREATH_BYTES; at += PAGE_BYTES)
			*(volatile char *)(own + at) = 1;
		sleep(1);
		madvise(own, BREATH_BYTES, MADV_DONTNEED);
		sleep(1);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child > 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		join(argv[i]);
		breathe();
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
