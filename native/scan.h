/* SPDX-License-Identifier: MIT */
/* What the two halves of a scan share: scan.c lists and publishes, scan_read.c reads. */
#ifndef RPV_SCAN_H
#define RPV_SCAN_H

#include "handler.h"
#include <linux/errno.h>

/* The scan under way. */
struct scan {
	struct guarded *g;
	struct view *view;
	const struct weighing *weighing; /* NULL: all weigh the same */
	uint32_t group;			 /* being listed */
	int is_partial;			 /* somebody who lives could not be read */
	int ask_tasks;			 /* somebody's leader is not known to be in the group */
	int ask_all;			 /* leaders may have left since */
	uint64_t now_ms;		 /* CLOCK_BOOTTIME */
	uint64_t now_us;		 /* CLOCK_MONOTONIC */
	uint64_t anon_bytes; /* the group's own count of anonymous memory, before anybody is read */
	int64_t grown_pages; /* by how much those read have grown since they were read last */
};

extern struct scan scan;

/* A process died, or a group was removed, after it was listed. */
static inline int scan_is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH || err == -ENODEV;
}

/* Of the guard, from its current view on. */
void scan_begin(struct guarded *g);
/* It has left the guard, or died. */
void scan_forget_one(uint16_t slot);
/* The responder has work: a scan comes too late now, and takes CPU from a dying victim. */
int scan_is_cut_short(void);
/* What a process counts for, in percent; `proc`: its directory in /proc. */
uint32_t scan_weigh(const struct snapshot *s, int proc);
/* Reads the known: the primed, who has run, and one in SAMPLE_SHARE of the others. */
void scan_read_known(void);
/* Reads the new for the first time; those that cannot be read are left to the next scan. */
void scan_admit_new(void);
/* One that was born in the group. 0 or -errno. */
int scan_admit_born(uint16_t slot, uint32_t base_pages);
/* One that has become another program. Says whether it is gone. */
int scan_reread(uint16_t slot);
/* Has no thread of it memory any more? */
int scan_is_dead(uint32_t pid);

#endif
