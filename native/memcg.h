/* SPDX-License-Identifier: MIT */
/*
 * Hop 1: what a memory cgroup can be asked and told. One interface, one implementation per
 * hierarchy.
 *
 * memcg_open() and memcg_open_counters() open and read every file once, so that later reads work inside the full
 * group (the kernel keeps the seq_file buffer, 4.5 KB of its memory each). The memcg_watch_* open what they need and
 * close it. All others allocate nothing, open nothing, and return 0 or -errno; -ENODEV means that the group was
 * removed.
 */
#ifndef RPV_MEMCG_H
#define RPV_MEMCG_H

#include <stdint.h>

#define MEMCG_NO_LIMIT UINT64_MAX

struct memcg {
	int dir;
	int oom_control;
	/* the counters */
	int parent_oom; /* its parent's oom_control; -1: none that we see */
	int usage;
	int limit;
	int swap_usage; /* memory + swap; -1 without swap accounting */
	int swap_limit;
	int stat;
};

struct memcg_oom {
	int held;	/* the kernel does not kill: we answer for the group */
	int under_oom;	/* somebody sleeps in the group's OOM, or in that of an ancestor */
	int waiting;	/* it is no ancestor's, as far as the parent can be read */
	uint32_t kills; /* kernel kills in this group since it was made */
};

struct memcg_room {
	uint64_t usage_bytes;
	uint64_t limit_bytes;	   /* MEMCG_NO_LIMIT: none */
	uint64_t swap_usage_bytes; /* memory + swap; 0 without swap accounting */
	uint64_t swap_limit_bytes;
};

/* Of an open directory, which is the memcg's from now on. May write: open what takes writing for writing. Nothing
 * stays open on error. */
int memcg_open(struct memcg *m, int dir, int may_write);
void memcg_close(struct memcg *m);
/* What memcg_room() and those below it read, and whose OOM it is. A watcher has them open only where a group is
 * near its limit: a thousand quiet ones would cost 90 MB of kernel memory. 1: opened; 0: they were open. */
int memcg_open_counters(struct memcg *m);
void memcg_close_counters(struct memcg *m);

int memcg_oom(const struct memcg *m, struct memcg_oom *oom);
int memcg_room(const struct memcg *m, struct memcg_room *room);
/* Anonymous memory charged to the group and its descendants, in bytes. */
int memcg_anon(const struct memcg *m, uint64_t *bytes);

/* File memory of the group and its descendants, in bytes: what reclaim can take. */
int memcg_reclaimable(const struct memcg *m, uint64_t *bytes);

/* How often a charge has failed at a limit of the group's own: at each OOM of its own, at none of an ancestor's; and
 * wherever reclaim then made room. Opens what it needs and closes it. */
int memcg_limit_hits(const struct memcg *m, uint64_t *hits);

/* Does the group stand at a limit of its own? */
int memcg_is_full(const struct memcg_room *room);
/* Does somebody sleep in the group's own OOM, and has reason to? */
int memcg_in_oom(const struct memcg_oom *oom, const struct memcg_room *room);
/* With so much left a group is far again: more than the margin, or it would flutter. */
uint64_t memcg_far_bytes(uint64_t margin_bytes);
/* The lower of what is left under the two limits. */
uint64_t memcg_left_bytes(const struct memcg_room *room);

/* Stops the kernel from killing in this group; a task over the limit then waits. */
int memcg_hold(const struct memcg *m);
/* Gives the group to the kernel's killer, which picks and kills within 7 ms (measured). */
int memcg_hand_over(const struct memcg *m);
/*
 * Wakes who sleeps in the OOM of a held group, and holds it again. The kernel loses wake-ups: memory that is given back
 * between a charge that fails and the sleep wakes nobody (mem_cgroup_oom_synchronize(), 1 in 1,000 OOMs of huge pages here),
 * and they sleep for ever in a group with room. Where there is none after all, the kernel kills.
 */
int memcg_wake(const struct memcg *m);

/* The eventfd is signalled once per OOM of the group, of an ancestor, and when the group is
 * removed. */
int memcg_watch_oom(const struct memcg *m, int eventfd);
/* The eventfd is signalled while reclaim fails in the group: at OOM, when calls fail for want of memory, and
 * under a heavy load of file pages. An error where pressure cannot be watched: without root it is not to be had. */
int memcg_watch_pressure(const struct memcg *m, int eventfd);
/* The eventfd is signalled when `left` bytes or less are left under a limit, and when more are again. The counters
 * must be open. Takes 5 to 20 ms: the kernel waits for an RCU grace period (measured). */
int memcg_watch_left(const struct memcg *m, const struct memcg_room *room, uint64_t left,
		     int eventfd);

#endif
