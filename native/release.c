/* SPDX-License-Identifier: MIT */
/*
 * The role "release": switches the kernel's killer back on. The tool for 3 a.m.: needs no config,
 * no agent, no Bun.
 *
 *   release RUN_BASE ...                what dead reprieves have left, from their ledgers
 *   release --all RUN_BASE ...          lists every group of the host whose killer is off
 *   release --all --force RUN_BASE ...  and switches it on
 */
#include "release.h"
#include "hierarchy.h"
#include "ledger.h"
#include "limits.h"
#include "lock.h"
#include "memcg.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum { EXIT_NOTHING_FAILED = 0, EXIT_FAILED = 70, EXIT_LEFT = 75 };

static int failures, left, said;
static char memory[PATH_BYTES], freezer[PATH_BYTES];

static void say(const char *what, const char *name, const char *then)
{
	char buf[2 * PATH_BYTES + 160];
	struct text line = text_on(buf, sizeof(buf));

	text_add(&line, what);
	text_add(&line, " ");
	text_add_plain(&line, name);
	text_add(&line, then);
	text_add(&line, "\n");
	sys_write(1, buf, line.len);
	said = 1;
}

static int is_off(int control)
{
	char now[64];
	long n = control < 0 ? control : sys_pread(control, now, sizeof(now), 0);

	return n > 0 && text_after(now, now + n, "oom_kill_disable 1");
}

/* Switches the killer of the group at `dir` on, if it is off. Says whether it is a living reprieve's: then
 * it stays off. */
static int switch_on(int dir, const char *name)
{
	int control = sys_openat(dir, "memory.oom_control", O_RDWR, 0);
	int guarded = control >= 0 && lock_is_held(control);

	if (is_off(control) && guarded) {
		say("left alone:", name, " is guarded by a living reprieve");
		left++;
	} else if (is_off(control)) {
		if (sys_pwrite(control, "0", 1, 0) == 1 && !is_off(control)) {
			say("released", name, ": the kernel's OOM killer is on again");
		} else {
			say("cannot release", name,
			    ": not permitted to write its memory.oom_control");
			failures++;
		}
	} else if (control < 0 && control != -ENOENT) {
		say("cannot open the switch of", name, ": run this as root");
		failures++;
	}
	if (control >= 0)
		sys_close(control);
	return guarded;
}

static int switch_on_child(int dir, void *name)
{
	switch_on(dir, name);
	return 0;
}

/* v2: memory.high as it was before, where it still is what the dead one made it. Says whether it is a living reprieve's. */
static int put_high_back(int dir, const struct ledger_record *record, const char *name)
{
	struct memcg m;
	int guarded, put;

	if (!record->high.ours_bytes ||
	    memcg_open(&m, sys_fcntl(dir, F_DUPFD_CLOEXEC, 0), 1, &record->high))
		return 0;
	guarded = lock_is_held(m.control);
	put = guarded ? 0 : memcg_put_back(&m);
	if (put == -ENODEV)
		put = 0; /* removed meanwhile */
	failures += put < 0;
	if (put)
		say(put < 0 ? "cannot release" : "released", name,
		    put < 0 ? ": not permitted to write its memory.high"
			    : ": its memory.high is as it was");
	memcg_close(&m);
	return guarded;
}

/* The path of an open directory, as the kernel prints it. */
static void path_of(int dir, char *path, size_t size)
{
	char link[64];
	struct text t = text_on(link, sizeof(link));
	long n;

	text_add(&t, "/proc/self/fd/");
	text_add_number(&t, (uint64_t)dir);
	n = SYS3(readlink, link, path, size - 1);
	path[n > 0 ? n : 0] = 0;
}

/* Says whether the group is one that reprieve made and that cannot go yet. */
static int release_record(const struct ledger_record *record)
{
	char path[PATH_BYTES];
	int dir = tree_open(record->path, record->inode), guarded, err;

	if (dir < 0)
		return 0;
	path_of(dir, path, sizeof(path));
	guarded = switch_on(dir, path) | put_high_back(dir, record, path);
	tree_walk(dir, switch_on_child, path);
	sys_close(dir);
	if (!record->owned || guarded)
		return 0;
	err = tree_remove(path);
	if (!err || err == -ENOENT) {
		say("removed", path, ": nobody was in it");
	} else if (err == -EBUSY) {
		say("left alone:", path,
		    " still has processes; when they have ended, release removes it");
		left++;
	} else {
		say("cannot remove", path, ": run this as root");
		failures++;
	}
	return err && err != -ENOENT;
}

/* The groups that the dead reprieve made for its helpers, and on v2 for the agent's probe. */
static void remove_helpers(const char *hierarchy, const char *run_dir)
{
	char path[PATH_BYTES];
	struct text t = text_on(path, sizeof(path));

	text_add(&t, hierarchy);
	text_add(&t, "/reprieve-helpers-");
	text_add(&t, run_dir);
	tree_remove(path);
	text_add(&t, "-probe");
	tree_remove(path);
}

/* The agent holds the lock of each group that it guards; the helpers hold the ledger's only. */
static int is_guarded(const struct ledger_record *record)
{
	int dir = tree_open(record->path, record->inode);
	int control = dir < 0 ? dir : memcg_open_switch(dir, O_RDONLY);
	int guarded = control < 0 || lock_is_held(control);

	if (control >= 0)
		sys_close(control);
	if (dir >= 0)
		sys_close(dir);
	return guarded;
}

/* The ledger is held: by a living reprieve, or by the watchers of a dead one. */
static void tell_held(int ledger, const char *name)
{
	struct ledger_record record = { 0 };
	char then[PATH_BYTES + 80];
	struct text t = text_on(then, sizeof(then));
	int got;

	for (uint32_t i = 0; (got = ledger_read(ledger, i, &record)) == 0; i++)
		;
	if (got != 1 || is_guarded(&record)) {
		say("left alone: reprieve", name,
		    " is running and watches its groups; end it to release them");
		left++;
		return;
	}
	text_add(&t, record.owned ? " is dead; its CMD goes on in "
				  : " is dead; its watchers give back ");
	text_add_plain(&t, record.path);
	text_add(&t, record.owned ? " under the kernel's killer" : "");
	say("reprieve", name, then);
}

/* RUN_BASE/NAME/ledger: put back and remove, unless its reprieve lives. */
static void release_ledger(int run_dir, const char *name)
{
	struct ledger_record record;
	int fd = sys_openat(run_dir, "ledger", O_RDWR | O_NOFOLLOW, 0);
	int got = 1, stay = 0;

	if (fd < 0)
		return;
	if (lock_is_held(fd)) {
		tell_held(fd, name);
		sys_close(fd);
		return;
	}
	for (uint32_t i = 0; got >= 0; i++) {
		got = ledger_read(fd, i, &record);
		if (got == 1)
			stay += release_record(&record);
	}
	sys_close(fd);
	if (got == -EPROTO) {
		say("cannot read the ledger of reprieve", name,
		    ": it is of another version; use release --all --force");
		failures++;
		return;
	}
	remove_helpers(memory, name);
	remove_helpers(freezer, name);
	if (stay)
		return; /* the ledger knows what is to go */
	SYS3(unlinkat, run_dir, "ledger", 0);
	SYS3(unlinkat, run_dir, "token", 0);
	SYS3(unlinkat, run_dir, "core", 0);
}

static int release_run_dir(int base, const char *name, int depth, void *arg)
{
	int dir = sys_openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	(void)depth, (void)arg;
	if (dir < 0)
		return 0;
	release_ledger(dir, name);
	sys_close(dir);
	SYS3(unlinkat, base, name, 0x200 /* AT_REMOVEDIR */);
	return 0;
}

/* A ledger that somebody else could write is no ledger. */
static int is_ours_alone(int dir)
{
	struct statx st;

	return !sys_statx(dir, "", 0x1000 /* AT_EMPTY_PATH */, STATX_UID | STATX_MODE, &st) &&
	       st.stx_uid == (uint32_t)SYS0(geteuid) && !(st.stx_mode & 022);
}

/* model: release_puts_back */
static void release_ledgers(const char *run_base)
{
	int base = sys_open(run_base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (base < 0)
		return; /* no reprieve has left anything */
	if (is_ours_alone(base)) {
		tree_each_child(base, 0, release_run_dir, 0);
		sys_rmdir(run_base);
	} else {
		say("not read:", run_base, ": others may write to it, remove it");
	}
	sys_close(base);
}

static int list_or_force(int dir, void *force)
{
	char path[PATH_BYTES];
	int control = sys_openat(dir, "memory.oom_control", O_RDONLY, 0);
	int off = is_off(control);

	if (control >= 0)
		sys_close(control);
	if (!off)
		return 0;
	path_of(dir, path, sizeof(path));
	if (*(const int *)force) {
		switch_on(dir, path);
	} else {
		say("killer is off in", path, "; --force switches it on");
		left++;
	}
	return 0;
}

int release_run(int all, int force, char **run_bases)
{
	hierarchy_find("memory", memory, sizeof(memory));
	hierarchy_find("freezer", freezer, sizeof(freezer));
	while (*run_bases)
		release_ledgers(*run_bases++);
	if (all) {
		int dir = sys_open(memory, O_RDONLY | O_DIRECTORY);

		if (dir < 0) {
			say("cannot open", memory, ": no memory hierarchy");
			return EXIT_FAILED;
		}
		tree_walk(dir, list_or_force, &force);
		sys_close(dir);
	}
	if (!said)
		say("nothing", "to", " release");
	return failures ? EXIT_FAILED : left ? EXIT_LEFT : EXIT_NOTHING_FAILED;
}
