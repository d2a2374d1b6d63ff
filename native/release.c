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
#include "release_record.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

enum { EXIT_NOTHING_FAILED = 0, EXIT_FAILED = 70, EXIT_LEFT = 75 };
/* Four hierarchies tell whose a process is or starve it (src/cgroup/group.ts), each with a probe's at most. */
enum { GROUPS_MOST = 8 };

/* RUN_DIR/groups: what the dead reprieve made for its helpers and its probe, a path a line. */
static void remove_groups(int run_dir)
{
	static char paths[GROUPS_MOST * PATH_BYTES];
	int fd = sys_openat(run_dir, "groups", O_RDONLY | O_NOFOLLOW, 0);
	long n = fd < 0 ? fd : sys_pread(fd, paths, sizeof(paths), 0);
	char *path = paths;

	if (fd >= 0)
		sys_close(fd);
	for (char *at = paths; at < paths + n; at++) {
		if (*at != '\n')
			continue;
		*at = 0;
		tree_remove(path);
		path = at + 1;
	}
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
	released.left++;
	if (got != 1 || is_guarded(&record)) {
		release_say("left alone: reprieve", name,
			    " is running and watches its groups; end it to release them");
		return;
	}
	text_add(&t, " is dead; its watchers give back ");
	text_add_plain(&t, record.path);
	text_add(&t, record.owned ? ", and remove it when its CMD, unguarded since then, has ended"
				  : "");
	release_say("left alone: reprieve", name, then);
}

/* RUN_BASE/NAME/ledger: put back and remove, unless its reprieve lives. */
static void release_ledger(int run_dir, const char *name)
{
	static const char *const files[] = RUN_FILES;
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
		release_say("cannot read the ledger of reprieve", name,
			    ": it is of another version; use release --all --force");
		released.failures++;
		return;
	}
	remove_groups(run_dir);
	if (stay)
		return; /* the ledger knows what is to go, and to be given back */
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		SYS3(unlinkat, run_dir, files[i], 0);
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
		release_say("not read:", run_base, ": others may write to it, remove it");
	}
	sys_close(base);
}

static int list_or_force(int dir, void *force)
{
	char path[PATH_BYTES];
	int control = sys_openat(dir, "memory.oom_control", O_RDONLY, 0);
	int off = release_is_off(control);

	if (control >= 0)
		sys_close(control);
	if (!off)
		return 0;
	tree_path_of(dir, path, sizeof(path));
	if (*(const int *)force) {
		release_switch_on(dir, path);
	} else {
		release_say("killer is off in", path, "; --force switches it on");
		released.left++;
	}
	return 0;
}

int release_run(int all, int force, char **run_bases)
{
	while (*run_bases)
		release_ledgers(*run_bases++);
	if (all) {
		char root[PATH_BYTES];
		int dir;

		hierarchy_find("memory", root, sizeof(root));
		dir = sys_open(root, O_RDONLY | O_DIRECTORY);
		if (dir < 0) {
			release_say("cannot open", root, ": no memory hierarchy");
			return EXIT_FAILED;
		}
		tree_walk(dir, list_or_force, &force);
		sys_close(dir);
	}
	if (!released.said)
		release_say("nothing", "to", " release");
	return released.failures ? EXIT_FAILED : released.left ? EXIT_LEFT : EXIT_NOTHING_FAILED;
}
