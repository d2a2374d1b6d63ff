/* SPDX-License-Identifier: MIT */
/*
 * Hop 1: what a memory cgroup can be asked and told. One interface, an implementation per hierarchy, found out for
 * each group: mixed hosts exist.
 *
 * "Held" is a group that does not get the kernel's killer at its limit: memory.oom_control = 1 on v1; on v2, where
 * nothing switches it off, memory.high below memory.max, over which tasks sleep instead.
 *
 * memcg_open() and memcg_open_counters() open and read every file once, so that later reads work inside the full
 * group (the kernel keeps the seq_file buffer, 4.5 KB of its memory each). The memcg_watch_* open what they need and
 * close it. All others allocate nothing, open nothing, and return 0 or -errno; -ENODEV means that the group was
 * removed.
 *
 * Of a guard that acts before its limit (memcg_act_before()) nothing is switched: it is held by a word of ours, its memory is
 * what cannot be reclaimed, and its limit the margin below that of the kernel's.
 */
#ifndef RPV_MEMCG_H
#define RPV_MEMCG_H

#include <stdint.h>

#define MEMCG_NO_LIMIT UINT64_MAX

/* memory.high of a guarded group, v2. Writer: the watcher that owns the switch (high.c). */
struct memcg_high {
	uint64_t before_bytes; /* what was there before us; MEMCG_NO_LIMIT: "max" */
	uint64_t ours_bytes;   /* what it is while we hold the group; 0: we never have */
};

/* Limits that were raised, and what they were. Writer: the watcher that owns the switch (raise.c). */
struct memcg_raise {
	uint64_t limit_bytes;	   /* before */
	uint64_t swap_limit_bytes; /* v1, memory + swap; MEMCG_NO_LIMIT: none */
	uint64_t added_bytes;	   /* to each of them; 0: nothing is to be given back */
	uint64_t margin_bytes;	   /* so much has to be free below them before they are */
};

struct memcg {
	const struct memcg_ops *ops;
	int dir;
	int control;		       /* the switch: memory.oom_control, memory.high */
	int events;		       /* v2: memory.events, the kernel's kills */
	const struct memcg_high *high; /* v2; NULL: we know of no guard, and go by memory.high */
	const uint64_t *before_bytes;  /* the guard acts so far before its limit; NULL: at it */
	uint32_t *before_held;
	/* the counters */
	int parent_oom; /* v1: its parent's oom_control; -1: none that we see */
	int usage;
	int limit;
	int swap_usage; /* v1: memory + swap, v2: swap; -1 without swap accounting */
	int swap_limit;
	int stat;
};

struct memcg_oom {
	int held; /* the kernel does not kill: we answer for the group */
	int under_oom; /* v1: somebody sleeps in the group's OOM, or in that of an ancestor; v2: as waiting */
	int waiting; /* v1: it is no ancestor's, as far as the parent can be read; v2: it is full of what cannot
			   be reclaimed */
	uint32_t
		kills; /* kernel kills since it was made: v1 in this group, v2 in its descendants too */
	uint64_t
		spare_bytes; /* v2: so much more of what cannot be reclaimed, at least, and it is in OOM */
	uint64_t anon_bytes; /* v2: as memcg_anon(), read for `waiting`; 0: it was not */
	uint32_t ooms; /* v2, the same of charges at a memory.max for which there was no memory */
};

struct memcg_room {
	uint64_t usage_bytes;
	uint64_t limit_bytes;	   /* MEMCG_NO_LIMIT: none */
	uint64_t high_bytes;	   /* v2: where a hold begins; MEMCG_NO_LIMIT: nowhere, and on v1 */
	uint64_t swap_usage_bytes; /* memory + swap; 0 on v2 and without swap accounting */
	uint64_t swap_limit_bytes;
};

/* Of an open directory, which is the memcg's from now on. May write: open what takes writing for writing. `high` is read
 * for as long as it is open. Nothing stays open on error; -ENOENT: no memory controller. */
int memcg_open(struct memcg *m, int dir, int may_write, const struct memcg_high *high);
void memcg_close(struct memcg *m);
/* So far before its limit. Writer of `held`: the watcher that owns the switch. */
void memcg_act_before(struct memcg *m, const uint64_t *margin_bytes, uint32_t *held);
int memcg_is_before(const struct memcg *m);
/* What memcg_room() and those below it read, and whose OOM it is. A watcher has them open only where a group is
 * near its limit: a thousand quiet ones would cost 90 MB of kernel memory. 1: opened; 0: they were open. */
int memcg_open_counters(struct memcg *m);
void memcg_close_counters(struct memcg *m);
/* Its switch, for the lock on it (lock.h): a descriptor of its own. */
int memcg_open_switch(int dir, int flags);

int memcg_is_v2(const struct memcg *m);
/* v2: is it held by memory.high? */
int memcg_has_mark(const struct memcg *m);
/* v2: memory.oom.group of the group at `dir`: the kernel's killer takes all of it. */
int memcg_is_whole(int dir);
/* So many times as long as on v1 a handler, a victim and those it asks may take: on v2 who is held sleeps up to 2 s at a time,
 * and calls do not fail, so that it costs nobody more, and a busy virtual machine is not taken for a dead one. */
uint32_t memcg_patience(const struct memcg *m);
/* v2: what memory.high is. */
int memcg_read_switch(const struct memcg *m, uint64_t *bytes);
int memcg_oom(const struct memcg *m, struct memcg_oom *oom);
int memcg_room(const struct memcg *m, struct memcg_room *room);
/* The same as the kernel has it, whenever the guard acts. */
int memcg_limits(const struct memcg *m, struct memcg_room *room);
/* What it holds, of all kinds. */
int memcg_usage(const struct memcg *m, uint64_t *bytes);
/* Anonymous memory charged to the group and its descendants, in bytes. */
int memcg_anon(const struct memcg *m, uint64_t *bytes);
/* File memory of the group and its descendants, in bytes: what reclaim can take. */
int memcg_reclaimable(const struct memcg *m, uint64_t *bytes);
/* Has the kernel reclaim so much, which may take long; what could not be had shows in the usage. -ENOENT: v1, or Linux before
 * 5.19. Opens what it needs and closes it. */
int memcg_reclaim(const struct memcg *m, uint64_t bytes);

/* v2: How much more of what reclaim cannot take fills the group up to `bytes`, at least; 0: it is full of that. */
uint64_t memcg_spare_bytes(const struct memcg *m, uint64_t bytes);
/* Is it so near its OOM that `bytes` decide? On v2 what can be reclaimed leaves it far. */
int memcg_is_inside(const struct memcg *m, const struct memcg_oom *oom,
		    const struct memcg_room *room, uint64_t bytes);

/* v1: how often a charge has failed at a limit of the group's own: at each OOM of its own, at none of an ancestor's; and
 * wherever reclaim then made room. Opens what it needs and closes it. */
int memcg_limit_hits(const struct memcg *m, uint64_t *hits);

/* Does the group stand at a limit of its own? */
int memcg_is_full(const struct memcg_room *room);
/* The same of a group in which memory goes round: reclaim takes more than it has to. Not held, at its memory.max. */
int memcg_is_cramped(const struct memcg *m, const struct memcg_oom *oom,
		     const struct memcg_room *room);
/* Does somebody sleep in the group's own OOM, and has reason to? */
int memcg_in_oom(const struct memcg_oom *oom, const struct memcg_room *room);
/* With so much left a group is far again: more than the margin, or it would flutter. */
uint64_t memcg_far_bytes(uint64_t margin_bytes);
/* The lowest of what is left under the limits. */
uint64_t memcg_left_bytes(const struct memcg_room *room);

/* Keeps the kernel from killing in this group; a task over the limit then waits. v2: high->ours_bytes has been set. */
int memcg_hold(const struct memcg *m);
/* Gives the group to the kernel's killer, which picks and kills within 7 ms on v1; on v2 when who sleeps has slept out, up to
 * 2 s, and the group has come to its memory.max (measured). */
int memcg_hand_over(const struct memcg *m);
/* The same where the group is held and the switch is ours to write, after those who held it: 1; 0: there was nothing to do;
 * -errno. */
int memcg_put_back(const struct memcg *m);
/* Makes the limits what they were plus what was added: upwards at once; to be called when that was written down. */
int memcg_raise(const struct memcg *m, const struct memcg_raise *raise);
/* Has somebody else set the limits since? */
int memcg_is_strange(const struct memcg *m, const struct memcg_room *room,
		     const struct memcg_raise *raise);
/* Gives back a raise: where there is room below the former limits, or the kernel would reclaim in the write, or kill. 1: done, or
 * somebody else has set them since; 0: not yet; -errno. The counters must be open. */
int memcg_give_back(const struct memcg *m, const struct memcg_raise *raise);
/* v2: the switch is as its owner set it, and low enough for us: we write nothing, and can hand over nothing. */
int memcg_is_owners(const struct memcg *m);
/*
 * Wakes who sleeps in the OOM of a held group, and holds it again. The kernel loses wake-ups on v1: memory that is given back
 * between a charge that fails and the sleep wakes nobody (mem_cgroup_oom_synchronize(), 1 in 1,000 OOMs of huge pages here),
 * and they sleep for ever in a group with room. Where there is none after all, the kernel kills.
 */
int memcg_wake(const struct memcg *m);

/* Each opens a descriptor of the caller's own, for epoll with memcg_event_mask(): */
uint32_t memcg_event_mask(const struct memcg *m);
/* v1: once per OOM of the group, of an ancestor, and when the group is removed. v2: whenever the group goes over its
 * memory.high, meets its memory.max, or the kernel kills: mostly nothing to worry about. */
int memcg_watch_oom(const struct memcg *m);
/* Takes the event, so that only the next one wakes again: on v2 not before memcg_hear(). */
void memcg_take_event(const struct memcg *m, int event);
/* v2: for so many ms after that look another event is no news. */
uint32_t memcg_deaf_ms(const struct memcg_oom *oom);
/* v2: is there another event by now? Then it is taken, else the next one wakes again. Cheaper than to be woken by each, where
 * files go through a group all day. */
int memcg_hear(const struct memcg *m, int event, int epoll, uint64_t data);
/* Reclaim fails in the group. v1: at OOM, when calls fail for want of memory, and under a heavy load of file pages;
 * without root it is not to be had. v2: nobody in the group got on for want of memory, for a good part of a window. There it waits
 * for the lock of all cgroups, and a group that is removed meanwhile panics kernels (6.1; test/vm/README.md): 0 while it is not
 * cramped, and to be asked again. */
int memcg_watch_pressure(const struct memcg *m, int is_cramped);
/* Has it, since it was last asked? */
int memcg_take_pressure(const struct memcg *m, int event);

/* v1: what tells the kernel to signal an eventfd when so many bytes or less are left under a limit, and when more are again. */
enum { MEMCG_LINE_BYTES = 48 }; /* three numbers */
struct memcg_threshold {
	int control; /* all are its own, and closed behind it */
	int event;
	int usage[2];
	char line[2][MEMCG_LINE_BYTES];
	uint32_t lines;
	int err;
};
/* Opens what it needs. */
int memcg_begin_threshold(const struct memcg *m, const struct memcg_room *room, uint64_t left,
			  int eventfd, struct memcg_threshold *t);
/* Tells the kernel, which waits for an RCU grace period, 5 to 20 ms (measured): any thread of the process may. */
int memcg_end_threshold(struct memcg_threshold *t);

#endif
