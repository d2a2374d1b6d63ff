/* SPDX-License-Identifier: MIT */
/* What /proc says of one process: proc(5). */
#include "procfs.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum {
	FIELD_PARENT = 4,
	FIELD_FLAGS = 9,
	FIELD_START_TIME = 22,
	PF_KTHREAD = 0x00200000,
	KB_PER_PAGE = 4
};

static struct text path_of(char *buf, size_t size, uint32_t pid)
{
	struct text path = text_on(buf, size);

	text_add(&path, "/proc/");
	text_add_number(&path, pid);
	return path;
}

int procfs_open(uint32_t pid)
{
	char buf[32];

	path_of(buf, sizeof(buf), pid);
	return sys_open(buf, O_RDONLY | O_DIRECTORY);
}

static long read_file(int dir, const char *name, char *buf, size_t size)
{
	int fd = sys_openat(dir, name, O_RDONLY, 0);
	long n;

	if (fd < 0)
		return fd;
	n = sys_pread(fd, buf, size, 0);
	sys_close(fd);
	return n;
}

/* The comm may hold anything, ')' and newlines too: it ends at the last ')'. */
int procfs_parse_stat(const char *buf, long n, struct procfs_stat *stat)
{
	const char *end = buf + n, *open = buf, *close = end;
	size_t len;

	while (open < end && *open != '(')
		open++;
	while (close > open && close[-1] != ')') /* what is behind the end is of an earlier call */
		close--;
	if (close == open)
		return -EINVAL;
	len = (size_t)(close - open - 2);
	memset(stat->comm, 0, sizeof(stat->comm));
	memcpy(stat->comm, open + 1, len < COMM_BYTES ? len : COMM_BYTES);
	for (int field = 2; close < end && field < FIELD_START_TIME; close++) {
		if (*close != ' ')
			continue;
		const char *at = close + 1;

		field++;
		if (field == FIELD_PARENT)
			stat->parent = (uint32_t)text_number(&at, end);
		else if (field == FIELD_FLAGS)
			stat->kernel_thread = (text_number(&at, end) & PF_KTHREAD) != 0;
		else if (field == FIELD_START_TIME)
			stat->start_time = text_number(&at, end);
	}
	return 0;
}

int procfs_read_stat(int proc, struct procfs_stat *stat)
{
	char buf[PROC_TEXT_BYTES];
	long n = read_file(proc, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : procfs_parse_stat(buf, n, stat);
}

int procfs_start_time(uint32_t pid, uint64_t *start_time)
{
	struct procfs_stat stat = { 0 };
	int proc = procfs_open(pid);
	int err = proc < 0 ? proc : procfs_read_stat(proc, &stat);

	if (proc >= 0)
		sys_close(proc);
	*start_time = stat.start_time;
	return err;
}

static uint64_t number_after(const char *buf, const char *end, const char *key)
{
	const char *at = text_after(buf, end, key);

	while (at && at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at ? text_number(&at, end) : 0;
}

static uint32_t pages_after(const char *buf, const char *end, const char *key)
{
	return (uint32_t)(number_after(buf, end, key) / KB_PER_PAGE);
}

int procfs_read_status(int proc, struct procfs_status *status)
{
	char buf[PROC_TEXT_BYTES];
	long n = read_file(proc, "status", buf, sizeof(buf));
	const char *end = buf + n;

	if (n < 0)
		return (int)n;
	status->uid = (uint32_t)number_after(buf, end, "\nUid:");
	status->resident = pages_after(buf, end, "\nVmRSS:");
	status->tables = pages_after(buf, end, "\nVmPTE:");
	status->file = pages_after(buf, end, "\nRssFile:");
	status->shmem = pages_after(buf, end, "\nRssShmem:");
	status->swap = pages_after(buf, end, "\nVmSwap:");
	return 0;
}

#define DELETED " (deleted)" /* an upgraded program's, d_path() of fs/d_path.c */

void procfs_read_exe(int proc, char *exe, size_t size)
{
	long n = sys_readlinkat(proc, "exe", exe, size - 1);
	long cut = n - (long)sizeof(DELETED) + 1;

	exe[n > 0 ? n : 0] = 0;
	if (cut > 0 && text_equal(exe + cut, DELETED))
		exe[cut] = 0;
}

int procfs_read_oom_score_adj(int proc, int *adj)
{
	char buf[16];
	const char *at = buf;
	long n = read_file(proc, "oom_score_adj", buf, sizeof(buf));
	int sign = 1;

	if (n < 0)
		return (int)n;
	if (n && *at == '-') {
		sign = -1;
		at++;
	}
	*adj = sign * (int)text_number(&at, buf + n);
	return 0;
}

int procfs_parse_statm(const char *buf, long n, uint32_t *anon_pages)
{
	const char *at = buf, *end = buf + n;
	uint64_t size, resident, shared;

	size = text_number(&at, end);
	at++;
	resident = text_number(&at, end);
	at++;
	shared = text_number(&at, end);
	if (at > end || !size)
		return -ESRCH; /* it has no memory any more: it is exiting */
	*anon_pages = resident > shared ? (uint32_t)(resident - shared) : 0;
	return 0;
}

int procfs_anon_pages(int statm, uint32_t *pages)
{
	char buf[96]; /* seven numbers of a 64-bit kernel */
	long n = sys_pread(statm, buf, sizeof(buf), 0);

	if (n <= 0)
		return n ? (int)n : -ESRCH;
	return procfs_parse_statm(buf, n, pages);
}

static int open_statm(int dir)
{
	uint32_t pages;
	int fd = sys_openat(dir, "statm", O_RDONLY, 0);
	int err = fd < 0 ? fd : procfs_anon_pages(fd, &pages);

	if (fd >= 0 && err)
		sys_close(fd);
	return err ? err : fd;
}

static int open_thread_statm(int tasks, const char *tid, int depth, void *statm)
{
	int dir = sys_openat(tasks, tid, O_RDONLY | O_DIRECTORY, 0);

	(void)depth;
	*(int *)statm = dir < 0 ? dir : open_statm(dir);
	if (dir >= 0)
		sys_close(dir);
	return *(int *)statm >= 0; /* found: stop */
}

int procfs_open_statm(int proc)
{
	int statm = open_statm(proc);
	int tasks;

	if (statm != -ESRCH)
		return statm;
	tasks = sys_openat(proc, "task", O_RDONLY | O_DIRECTORY, 0);
	if (tasks < 0)
		return statm;
	tree_each_child(tasks, 0, open_thread_statm, &statm);
	sys_close(tasks);
	return statm;
}

int procfs_anon_pages_of(uint32_t pid, uint32_t *pages, int *thread)
{
	char buf[32];
	struct text path = path_of(buf, sizeof(buf), pid);
	int fd, err, proc;

	text_add(&path, "/statm");
	fd = sys_open(buf, O_RDONLY);
	err = fd < 0 ? fd : procfs_anon_pages(fd, pages);
	if (fd >= 0)
		sys_close(fd);
	*thread = err == -ESRCH;
	if (!*thread)
		return err;
	proc = procfs_open(pid);
	fd = proc < 0 ? proc : procfs_open_statm(proc);
	err = fd < 0 ? fd : procfs_anon_pages(fd, pages);
	if (fd >= 0)
		sys_close(fd);
	if (proc >= 0)
		sys_close(proc);
	return err;
}

/* "Uid: real effective saved filesystem" */
int procfs_read_uids(uint32_t pid, struct procfs_uids *uids)
{
	char buf[PROC_TEXT_BYTES];
	int proc = procfs_open(pid);
	long n = proc < 0 ? proc : read_file(proc, "status", buf, sizeof(buf));
	const char *at = n > 0 ? text_after(buf, buf + n, "\nUid:\t") : 0;

	if (proc >= 0)
		sys_close(proc);
	if (!at)
		return n < 0 ? (int)n : -EIO;
	uids->real = (uint32_t)text_number(&at, buf + n);
	at++;
	text_number(&at, buf + n);
	at++;
	uids->saved = (uint32_t)text_number(&at, buf + n);
	return 0;
}

int procfs_open_wchan(uint32_t pid, uint32_t tid)
{
	char buf[64], now[SYMBOL_BYTES];
	struct text path = path_of(buf, sizeof(buf), pid);
	int fd;

	text_add(&path, "/task/");
	text_add_number(&path, tid);
	text_add(&path, "/wchan");
	fd = sys_open(buf, O_RDONLY);
	if (fd >= 0)
		sys_pread(fd, now, sizeof(now), 0); /* once: the buffer is kept */
	return fd;
}

int procfs_sleeps_in(int wchan, const char *symbol)
{
	char now[SYMBOL_BYTES];
	long n = wchan < 0 ? wchan : sys_pread(wchan, now, sizeof(now) - 1, 0);

	if (n <= 0)
		return 0;
	now[n] = 0;
	return text_equal(now, symbol);
}

int procfs_read_wchan(uint32_t tid, char symbol[SYMBOL_BYTES])
{
	char buf[64];
	struct text path = path_of(buf, sizeof(buf), tid);
	int fd;
	long n;

	text_add(&path, "/wchan");
	fd = sys_open(buf, O_RDONLY);
	if (fd < 0)
		return fd;
	n = sys_read(fd, symbol, SYMBOL_BYTES - 1);
	sys_close(fd);
	symbol[n > 0 ? n : 0] = 0;
	return n < 0 ? (int)n : 0;
}

/* Called with each thread's directory name; stops at one that sleeps there. */
static int visit_thread(int tasks, const char *tid, int depth, void *symbol)
{
	int dir = sys_openat(tasks, tid, O_RDONLY | O_DIRECTORY, 0);
	int wchan = dir < 0 ? dir : sys_openat(dir, "wchan", O_RDONLY, 0);
	int found = procfs_sleeps_in(wchan, symbol);

	(void)depth;
	if (wchan >= 0)
		sys_close(wchan);
	if (dir >= 0)
		sys_close(dir);
	return found;
}

int procfs_any_sleeps_in(uint32_t pid, const char *symbol)
{
	char buf[64];
	struct text path = path_of(buf, sizeof(buf), pid);
	int tasks, found;

	text_add(&path, "/task");
	tasks = sys_open(buf, O_RDONLY | O_DIRECTORY);
	if (tasks < 0)
		return 0;
	found = tree_each_child(tasks, 0, visit_thread, (void *)(uintptr_t)symbol);
	sys_close(tasks);
	return found == 1;
}
