/* SPDX-License-Identifier: MIT */
/* What release does for one group: its switch, its limits, a child that is frozen, and the group itself. */
#include "release_record.h"
#include "freezer.h"
#include "lock.h"
#include "memcg.h"
#include "sys.h"
#include "text.h"
#include "tree.h"

struct released released;

void release_say(const char *what, const char *name, const char *then)
{
	char buf[2 * PATH_BYTES + 160];
	struct text line = text_on(buf, sizeof(buf));

	text_add(&line, what);
	text_add(&line, " ");
	text_add_plain(&line, name);
	text_add(&line, then);
	text_add(&line, "\n");
	sys_write(1, buf, line.len);
	released.said = 1;
}

int release_is_off(int control)
{
	char now[64];
	long n = control < 0 ? control : sys_pread(control, now, sizeof(now), 0);

	return n > 0 && text_after(now, now + n, "oom_kill_disable 1");
}

int release_switch_on(int dir, const char *name)
{
	int control = sys_openat(dir, "memory.oom_control", O_RDWR, 0);
	int guarded = control >= 0 && lock_is_held(control);

	if (release_is_off(control) && guarded) {
		release_say("left alone:", name, " is guarded by a living reprieve");
		released.left++;
	} else if (release_is_off(control)) {
		if (sys_pwrite(control, "0", 1, 0) == 1 && !release_is_off(control)) {
			release_say("released", name, ": the kernel's OOM killer is on again");
		} else {
			release_say("cannot release", name,
				    ": not permitted to write its memory.oom_control");
			released.failures++;
		}
	} else if (control < 0 && control != -ENOENT) {
		release_say("cannot open the switch of", name, ": run this as root");
		released.failures++;
	}
	if (control >= 0)
		sys_close(control);
	return guarded;
}

static int switch_on_child(int dir, void *name)
{
	release_switch_on(dir, name);
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
	released.failures += put < 0;
	if (put)
		release_say(put < 0 ? "cannot release" : "released", name,
			    put < 0 ? ": not permitted to write its memory.high"
				    : ": its memory.high is as it was");
	memcg_close(&m);
	return guarded;
}

/* The limits as they were before a raise. Says whether that has to wait. */
static int put_raise_back(int dir, const struct ledger_record *record, const char *name)
{
	struct memcg m;
	int got;

	if (!record->raised.added_bytes ||
	    memcg_open(&m, sys_fcntl(dir, F_DUPFD_CLOEXEC, 0), 0, &record->high))
		return 0;
	got = lock_is_held(m.control) ? 0 : memcg_open_counters(&m);
	if (got > 0)
		got = memcg_give_back(&m, &record->raised);
	memcg_close(&m);
	if (got == -ENODEV)
		return 0;
	if (got < 0) {
		release_say("cannot release", name, ": not permitted to write its limit");
		released.failures++;
	} else if (got) {
		release_say("released", name, ": its limit is as it was");
	} else {
		release_say(
			"left alone:", name,
			" was raised and still needs that; release gives it back when it has room");
		released.left++;
	}
	return got <= 0;
}

static void thaw(int dir, const struct ledger_record *record, const char *name)
{
	int err = record->frozen ? freezer_thaw_child(dir, record->frozen) : 0;

	released.failures += err != 0;
	if (record->frozen)
		release_say(err ? "cannot thaw" : "thawed", name,
			    err ? ": not permitted to write a child's cgroup.freeze"
				: ": a child of it");
}

int release_record(const struct ledger_record *record)
{
	char path[PATH_BYTES];
	int dir = tree_open(record->path, record->inode), guarded, raised, err;

	if (dir < 0)
		return 0;
	tree_path_of(dir, path, sizeof(path));
	raised = put_raise_back(dir, record, path);
	thaw(dir, record, path);
	guarded = release_switch_on(dir, path) | put_high_back(dir, record, path);
	tree_walk(dir, switch_on_child, path);
	sys_close(dir);
	if (!record->owned || guarded)
		return raised;
	err = tree_remove(path);
	if (!err || err == -ENOENT) {
		release_say("removed", path, ": nobody was in it");
	} else if (err == -EBUSY) {
		release_say("left alone:", path,
			    " still has processes; when they have ended, release removes it");
		released.left++;
	} else {
		release_say("cannot remove", path, ": run this as root");
		released.failures++;
	}
	return err && err != -ENOENT;
}
