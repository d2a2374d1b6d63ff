/* SPDX-License-Identifier: MIT */
/*
 * The sampler's table of processes: region's latest[] and what only the sampler knows, found by
 * guard and pid: a process below two guards, one inside the other, has a slot for each.
 *
 * One writer, the sampler. The responder asks for one number, through a lock that is held for
 * memory accesses only, never over a system call, and that it gives up on after a bound.
 */
#ifndef RPV_TABLE_H
#define RPV_TABLE_H

#include "region.h"

enum { TABLE_NONE = 0xffff };

/* What is known beside the snapshot. */
struct table_extra {
	uint64_t read_cpu_ns; /* CPU time when last read */
	uint64_t cpu_ns;      /* the same, as of the responder's current view */
	uint32_t base_pages;  /* held when it moved in */
	uint32_t scan;	      /* the scan that saw it last */
	uint32_t
		leader_scan; /* the scan that saw its leader in a group of the guard last; 0: none */
	uint8_t exempt : 1;  /* ours, pid 1, a kernel thread, or -1000: never a victim */
	uint8_t leader_dead : 1; /* its threads live on */
	uint8_t moved : 1;	 /* what is primed reads nothing any more: prime it again */
	uint16_t next;		 /* in its hash chain */
};

_Static_assert(sizeof(struct table_extra) == 32, "the table is most of what the handler locks");

struct table {
	struct snapshot *latest; /* PROCS_MAX */
	struct table_extra *extra;
	uint16_t *chain;
	uint32_t used; /* slots below have been used */
	uint16_t free; /* list through extra.next */
	uint32_t lock;
};

/* What the table lives in, zeroed. */
struct table_memory {
	struct table_extra extra[PROCS_MAX];
	uint16_t chain[PROCS_MAX]; /* heads */
};

void table_init(struct table *table, struct snapshot *latest, struct table_memory *memory);
uint16_t table_find(const struct table *table, uint32_t guard, uint32_t pid);
/* A zeroed slot, or TABLE_NONE when full. */
uint16_t table_add(struct table *table, uint32_t guard, uint32_t pid);
void table_remove(struct table *table, uint16_t slot);
/* What the responder asks of a process that is not primed. */
struct table_known {
	uint64_t
		cpu_ns; /* when its current view was made, or when last read, for one not in the view */
	uint64_t start_time;
	uint32_t pages; /* charged, when last read */
	uint32_t base_pages;
	uint8_t exempt;
	uint8_t in_view;
	char comm[COMM_BYTES];
};

/* 0; -ESRCH: not in the table; -EAGAIN: the sampler is writing it. Called by the responder. */
int table_ask(struct table *table, uint32_t guard, uint32_t pid, struct table_known *known);

#endif
