/* SPDX-License-Identifier: MIT */
/* What every long-lived role does at its start and its end. */
#include "role.h"
#include "ledger.h"
#include "log.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum { EXEC_STACK_BYTES = 128 * 1024 }; /* stack_expand, setup_arg_pages(), fs/exec.c */

void role_complain(const char *what, const char *name, int err)
{
	char buf[PATH_BYTES + 128];
	struct text line = text_on(buf, sizeof(buf));

	text_add(&line, "reprieve: ");
	text_add(&line, what);
	text_add(&line, " ");
	text_add_plain(&line, name);
	if (err) {
		text_add(&line, ": errno ");
		text_add_number(&line, (uint64_t)-err);
	}
	text_add(&line, "\n");
	sys_write(2, buf, line.len);
}

void *role_memory(uint64_t bytes)
{
	void *p = sys_mmap(bytes, SYS_PROT_RW, SYS_MAP_PRIVATE_ANON, -1, 0);

	if (sys_is_error(p)) {
		role_complain("cannot get memory for", "the tables", (int)(intptr_t)p);
		sys_exit(70);
	}
	return p;
}

static int map_region(struct role_self *self)
{
	struct region *head = sys_mmap(sizeof(*head), SYS_PROT_RW, SYS_MAP_SHARED, FD_REGION, 0);
	uint64_t size;

	if (sys_is_error(head))
		return (int)(intptr_t)head;
	if (head->magic != REGION_MAGIC || head->layout != REGION_LAYOUT)
		return -EPROTO;
	size = self->role == ROLE_HANDLER ? head->size_bytes
	       : self->role == ROLE_DOOR  ? head->recorder_offset
					  : head->control_bytes;
	sys_munmap(head, sizeof(*head));
	self->region = sys_mmap(size, SYS_PROT_RW, SYS_MAP_SHARED, FD_REGION, 0);
	if (sys_is_error(self->region))
		return (int)(intptr_t)self->region;
	if (self->role == ROLE_HANDLER)
		self->recorder = (void *)((char *)self->region + self->region->recorder_offset);
	return 0;
}

int role_start(struct role_self *self, enum role role, const char *run_dir, char **groups)
{
	static const int ignored[] = { SYS_SIGHUP,  SYS_SIGINT,	 SYS_SIGQUIT, SYS_SIGPIPE,
				       SYS_SIGTERM, SYS_SIGTSTP, SYS_SIGTTIN, SYS_SIGTTOU };
	int err;

	*self = (struct role_self){
		.role = role, .run_dir = run_dir, .agents_group = *groups, .own_groups = groups + 1
	};
	SYS0(setsid);
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		sys_ignore_signal(ignored[i]);
	err = map_region(self);
	if (err) {
		role_complain("cannot map", "the region", err);
		return err;
	}
	self->me = &self->region->helpers[role];
	self->log = &self->region->logs[role];
	self->me->ready = 0;
	self->me->settled = 0;
	self->me->is_slow = 0;
	self->me->is_leaving = 0;
	self->me->pid = 0;
	for (uint32_t i = 0; i < self->region->guards_max; i++)
		self->region->guards[i].attached[role] = 0;
	self->agent = sys_pidfd_open((int)self->region->agent_pid);
	if (self->agent < 0 || sys_getppid() != (int)self->region->agent_pid) {
		role_complain("cannot watch", "the agent: it is gone", self->agent);
		return -ESRCH;
	}
	if (role_is_armed(self))
		role_settle(self); /* the agent's own group may be the full one */
	return 0;
}

int role_open_group(const struct guard *guard)
{
	return tree_open(guard->path, shared_load(&guard->inode));
}

int role_may_attach(struct guard *guard, enum role role)
{
	int is_watcher = role == ROLE_WATCHDOG || role == ROLE_SPARE;
	uint32_t want;

	__atomic_store_n(&guard->attached[role], ATTACHING, __ATOMIC_SEQ_CST);
	want = __atomic_load_n(&guard->want, __ATOMIC_SEQ_CST);
	if (want == WANT_ATTACHED || want == WANT_ARMED ||
	    (want == WANT_GIVEN_UP && is_watcher && !guard_is_over(guard)))
		return 1;
	shared_store(&guard->attached[role], ATTACHED_NOT);
	role_wake_watchers();
	return 0;
}

int role_is_armed(const struct role_self *self)
{
	for (uint32_t i = 0; i < shared_load(&self->region->guards_used); i++)
		if (shared_load(&self->region->guards[i].want) == WANT_ARMED)
			return 1;
	return 0;
}

static int join_group_of(const char *group)
{
	int err = tree_join(group);

	/* One that is gone was removed by a sibling that ends already; a full one is tried again. */
	if (err && err != -ENOENT && err != -ENODEV && err != -ENOMEM)
		role_complain("cannot join", group, err);
	return err;
}

void role_settle(struct role_self *self)
{
	int again = 0;

	for (char **group = self->own_groups; *group; group++) {
		int err = join_group_of(*group);

		again |= err ==
			 -ENOMEM; /* we live in a group that is full: the next turn tries again */
	}
	shared_store(&self->me->settled, !again);
}

/* Touches as much stack as a role may need, and drops the rest of what execve has mapped for it. */
static __attribute__((noinline)) void fit_stack(void)
{
	volatile char deep[STACK_BYTES];
	uintptr_t lowest = (uintptr_t)deep & ~4095ul;

	for (unsigned i = 0; i < sizeof(deep); i += 1024)
		deep[i] = 0;
	sys_munmap((void *)(lowest - EXEC_STACK_BYTES), EXEC_STACK_BYTES);
}

static uint64_t locked_kb(void)
{
	char buf[PROC_TEXT_BYTES];
	int fd = sys_open("/proc/self/status", O_RDONLY);
	long n = fd < 0 ? fd : sys_read(fd, buf, sizeof(buf));
	const char *at = n > 0 ? text_after(buf, buf + n, "VmLck:") : 0;

	if (fd >= 0)
		sys_close(fd);
	while (at && at < buf + n && (*at == ' ' || *at == '\t'))
		at++;
	return at ? text_number(&at, buf + n) : 0;
}

void role_ready(struct role_self *self)
{
	fit_stack();
	self->me->lock_result = sys_mlockall(SYS_MCL_ALL);
	self->me->locked_kb = locked_kb();
	self->me->pid = (uint32_t)sys_getpid();
	self->me->beat_ns = sys_now_ns();
	shared_store(&self->me->ready, 1);
	role_wake(FD_AGENT);
}

void role_hurry(struct role_self *self)
{
	/* What all wait for is its kill; a watcher's look takes 0.6 ms on v2, on the only CPU it may be (measured). */
	int priority = REAL_TIME_PRIORITY - (self->role != ROLE_HANDLER);

	self->me->hurry_result =
		(int32_t)SYS3(sched_setscheduler, 0, 1 /* SCHED_FIFO */, &priority);
	if (self->me->hurry_result)
		SYS3(setpriority, 0, 0, -20);
}

void role_wake(int eventfd)
{
	uint64_t one = 1;

	sys_write(eventfd, &one, sizeof(one));
}

struct ranking *role_rankings(const struct role_self *self)
{
	const struct region *r = self->region;

	return r->recorder_offset > r->control_bytes ? (void *)((char *)r + r->control_bytes) : 0;
}

void role_wake_watchers(void)
{
	role_wake(FD_WATCHDOG);
	role_wake(FD_SPARE);
}

void role_ask_for_look(struct guard *guard)
{
	__atomic_fetch_add(&guard->looks_asked, 1, __ATOMIC_ACQ_REL);
	role_wake_watchers();
}

/* A group can be removed when the last of us has left it: everybody tries. A handler inside the
 * guarded group only leaves. */
static void leave(const struct role_self *self, const char *group)
{
	const char *name = group + text_len(group);
	char parent[PATH_BYTES], probe[PATH_BYTES];
	struct text t = text_on(parent, sizeof(parent)), beside = text_on(probe, sizeof(probe));

	text_add(&t, group);
	while (t.len && parent[t.len - 1] != '/')
		t.len--;
	if (!t.len)
		return;
	parent[t.len - 1] = 0;
	while (name > group && name[-1] != '/')
		name--;
	/* On v2 no process may live in a group that hands memory down. */
	if ((tree_join(parent) && tree_join(self->agents_group)) ||
	    !text_starts(name, "reprieve-helpers-"))
		return;
	tree_remove(group); /* on v1 with the agent's probe group in it */
	text_add(&beside, group);
	text_add(&beside, "-probe"); /* on v2 */
	tree_remove(probe);
}

static void remove_file(const char *dir, const char *name)
{
	char path[PATH_BYTES + 16];
	struct text t = text_on(path, sizeof(path));

	text_add(&t, dir);
	text_add(&t, "/");
	text_add(&t, name);
	sys_unlink(path);
}

_Noreturn void role_end(struct role_self *self, int with_files)
{
	static const char *const files[] = RUN_FILES;

	if (with_files && self->run_dir) {
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
			remove_file(self->run_dir, files[i]);
		sys_rmdir(self->run_dir);
	}
	for (char **group = self->own_groups; *group; group++)
		leave(self, *group);
	sys_exit(0);
}
