/* SPDX-License-Identifier: MIT */
/*
 * The ledger: which groups a reprieve may have switched, so that anybody can put them back after
 * its death.
 *
 * A preallocated file in the run directory, written before a guard is armed. What was there before is on v1
 * always "the kernel kills": reprieve refuses a group whose killer is off already. On v2 it is a value of memory.high, which
 * the watcher that owns the switch writes down before it writes another. The lock on
 * the file (lock.h) lives as long as any process that inherited the descriptor: agent, handler,
 * watchdog or spare.
 */
#ifndef RPV_LEDGER_H
#define RPV_LEDGER_H

#include "limits.h"
#include "memcg.h"
#include <stdint.h>

#define LEDGER_MAGIC 0x7265676465766572ull
#define LEDGER_LAYOUT 4u

/* All that is in a run directory: who ends last, or releases what a dead one left, removes them and it. */
#define RUN_FILES                                                                            \
	{                                                                                    \
		"ledger", "token", "address", "config", "core", "groups", "attached", "seen" \
	}

struct ledger_record {
	uint64_t inode;		   /* of the group's directory; 0: no record */
	uint64_t owned;		   /* reprieve made the group: it goes with it */
	struct memcg_high high;	   /* v2; ours 0: it was never held */
	struct memcg_raise raised; /* added 0: nothing is to be given back */
	uint64_t frozen;	   /* the inode of a child that is to be thawed; 0: none */
	char path[PATH_BYTES];	   /* as it was when armed: owners rename */
};

struct ledger {
	uint64_t magic;
	uint32_t layout;
	uint32_t records;
	struct ledger_record record[];
};

/* Makes, allocates and locks the file. The descriptor, or -errno. */
int ledger_create(const char *file, uint32_t records);
/* Records the group; call it before arming. 0 or -errno. */
int ledger_add(int fd, uint32_t index, const char *path, int owned);
/* The group is guarded no more, and back as it was. 0 or -errno. */
int ledger_remove(int fd, uint32_t index);
/* What memory.high was, and what we make it. 0 or -errno. */
int ledger_set_high(int fd, uint32_t index, const struct memcg_high *high);
/* The same of what a raise is about to change, and of the child that is about to be frozen. */
int ledger_set_raise(int fd, uint32_t index, const struct memcg_raise *raise);
int ledger_set_frozen(int fd, uint32_t index, uint64_t inode);
/* Does any record say that reprieve made the group? 1, 0 or -errno, as ledger_read(). */
int ledger_owns(int fd);
/* Reads record `index` of an open ledger. 1, 0 where there is none, or -errno: -EPROTO for
 * another layout. */
int ledger_read(int fd, uint32_t index, struct ledger_record *record);

#endif
