/* SPDX-License-Identifier: MIT */
/*
 * Whom the system guard takes: the process with most anonymous memory and swap, by weight. All of /proc is read for it, when a
 * mark is reached: there is memory left then.
 */
#include "procfs.h"
#include "rank.h"
#include "sys.h"
#include "system.h"
#include "text.h"
#include "tree.h"

enum { IMMUNE = -1000, PAGE_BYTES = 4096 };

struct search {
	const struct system_page *page;
	const struct system_tried *tried;
	struct rank_key best;
	struct system_choice choice;
};

static int is_tried(const struct system_tried *tried, uint32_t pid)
{
	for (uint32_t i = 0; i < tried->n; i++)
		if (tried->pids[i] == pid)
			return 1;
	return 0;
}

/* Never: process 1, kernel threads, who is at -1000, the agent, and what it has started. */
static int may_be(const struct search *s, uint32_t pid, int proc, struct procfs_stat *stat)
{
	uint32_t agent = s->page->head.agent_pid;
	int adj;

	if (pid <= 1 || pid == agent || is_tried(s->tried, pid) || procfs_read_stat(proc, stat))
		return 0;
	return !stat->kernel_thread && stat->parent != agent &&
	       !procfs_read_oom_score_adj(proc, &adj) && adj != IMMUNE;
}

static uint32_t percent_of(const struct weighing *w, int proc, const struct procfs_stat *stat,
			   uint32_t uid)
{
	char exe[PATH_BYTES] = "", name[COMM_BYTES + 1] = "";
	struct weighed p = { .name = name, .exe = exe, .cgroup = "", .uid = uid };

	if (!w->rules)
		return WEIGH_EVEN;
	memcpy(name, stat->comm, COMM_BYTES);
	if (weigh_wants_exe(w))
		procfs_read_exe(proc, exe, sizeof(exe));
	return weigh_process(w, &p);
}

static void offer(struct search *s, uint32_t pid, int proc, const struct procfs_stat *stat)
{
	struct procfs_status status;
	struct rank_facts facts = { .start_time = stat->start_time };
	struct rank_key key;
	uint32_t shared;

	if (procfs_read_status(proc, &status))
		return;
	shared = status.file + status.shmem;
	facts.pages = (status.resident > shared ? status.resident - shared : 0) + status.swap;
	facts.percent = percent_of(&s->page->orders.weighing, proc, stat, status.uid);
	key = rank_key(RANK_LARGEST, &facts);
	if (facts.pages < KILL_MIN_BYTES / PAGE_BYTES ||
	    (s->choice.pid && !rank_is_before(key, s->best)))
		return;
	s->best = key;
	s->choice.pid = pid;
	s->choice.start_time = stat->start_time;
	s->choice.bytes = (uint64_t)facts.pages * PAGE_BYTES;
	memcpy(s->choice.comm, stat->comm, COMM_BYTES);
}

static int look_at(int dir, const char *name, int depth, void *arg)
{
	struct search *s = arg;
	const char *at = name;
	uint32_t pid = (uint32_t)text_number(&at, name + text_len(name));
	struct procfs_stat stat = { 0 };
	int proc;

	(void)dir;
	(void)depth;
	if (!pid || *at)
		return 0;
	proc = procfs_open(pid);
	if (proc < 0)
		return 0;
	if (may_be(s, pid, proc, &stat))
		offer(s, pid, proc, &stat);
	sys_close(proc);
	return 0;
}

int system_choose(const struct system_page *page, const struct system_tried *tried,
		  struct system_choice *choice)
{
	struct search s = { .page = page, .tried = tried };
	uint64_t start_time = 0;
	int dir = sys_open("/proc", O_RDONLY | O_DIRECTORY);

	if (dir < 0)
		return dir;
	tree_each_child(dir, 0, look_at, &s);
	sys_close(dir);
	if (!s.choice.pid)
		return -ESRCH;
	*choice = s.choice;
	choice->pidfd = sys_pidfd_open((int)choice->pid);
	if (choice->pidfd < 0)
		return -EAGAIN; /* it went */
	if (!procfs_start_time(choice->pid, &start_time) && start_time == choice->start_time)
		return 0;
	sys_close(choice->pidfd);
	return -EAGAIN; /* another has its number */
}
