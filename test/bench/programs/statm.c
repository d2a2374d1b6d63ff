/* SPDX-License-Identifier: MIT */
/*
 * statm GROUP PASSES: the CPU time of one pread of a primed /proc/PID/statm, in ns, over every
 * process of GROUP.
 */
#define _GNU_SOURCE
#include "page.h"
#include <sys/resource.h>

#define PIDS_MAX 16384

static int descriptors[PIDS_MAX];

static size_t open_all(const char *group)
{
	char path[512];
	size_t count = 0;
	FILE *procs;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	procs = fopen(path, "re");
	if (procs == NULL)
		fail(path);
	while (count < PIDS_MAX && fscanf(procs, "%d", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/statm", pid);
		descriptors[count] = open(path, O_RDONLY | O_CLOEXEC);
		if (descriptors[count] < 0)
			fail(path);
		count++;
	}
	fclose(procs);
	return count;
}

static void read_all(size_t count)
{
	char text[128];

	for (size_t n = 0; n < count; n++)
		if (pread(descriptors[n], text, sizeof(text), 0) <= 0)
			fail("pread");
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	uint64_t start;
	size_t count;
	long passes;

	if (argc != 3)
		return 64;
	passes = strtol(argv[2], NULL, 10);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	count = open_all(argv[1]);
	if (count == 0 || passes < 1)
		return 1;
	read_all(count);
	start = cpu_ns();
	for (long pass = 0; pass < passes; pass++)
		read_all(count);
	printf("%.1f\n", (double)(cpu_ns() - start) / (double)passes / (double)count);
	return 0;
}
