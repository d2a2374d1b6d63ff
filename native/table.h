/* SPDX-License-Identifier: MIT */
/*
 * The sampler's table of processes: region's latest[] and known[], found by guard and pid: a process below two guards, one inside the other, has a slot for each.
 *
 * One writer, the sampler. The responder asks for one number, through a lock that is held for
 * memory accesses only, never over a system call, and that it gives up on after a bound.
 */
#ifndef RPV_TABLE_H
#define RPV_TABLE_H

#include "region.h"

enum { TABLE_NONE = 0xffff };

struct table {
	struct snapshot *latest;   /* PROCS_MAX */
	struct table_extra *extra; /* the same */
	uint16_t *chain;
	uint32_t *past_pages; /* charged about a second ago (view.c); NULL: nobody asks */
	uint16_t *codes[2];   /* the flight recorder's (record.h); NULL: there is none */
	uint32_t used;	      /* slots below have been used */
	uint16_t free;	      /* list through extra.next */
	uint32_t lock;
};

/* Both halves lie in the region; `chain`: PROCS_MAX heads. */
void table_init(struct table *table, struct recorder *recorder, uint16_t *chain);
uint16_t table_find(const struct table *table, uint32_t guard, uint32_t pid);
/* The next slot of a process, in whatever guard; behind TABLE_NONE the first. */
uint16_t table_next_of(const struct table *table, uint32_t pid, uint16_t slot);
/* A zeroed slot, or TABLE_NONE when full. */
uint16_t table_add(struct table *table, uint32_t guard, uint32_t pid);
void table_remove(struct table *table, uint16_t slot);
/* What the responder asks of a process that is not primed. */
struct table_known {
	uint64_t
		cpu_ns; /* when its current view was made, or when last read, for one not in the view */
	uint64_t start_time;
	uint64_t changed_ms; /* when its memory was last seen to have changed */
	uint32_t pages;	     /* charged, when last read */
	uint32_t base_pages;
	uint32_t past_pages; /* charged about a second before */
	uint32_t percent;    /* its weight */
	uint8_t exempt;
	uint8_t in_view;
	uint16_t slot;
	char comm[COMM_BYTES];
};

/* 0; -ESRCH: not in the table; -EAGAIN: the sampler is writing it. Called by the responder. */
int table_ask(struct table *table, uint32_t guard, uint32_t pid, struct table_known *known);

#endif
