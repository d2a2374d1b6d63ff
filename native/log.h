/* SPDX-License-Identifier: MIT */
/*
 * Hop 5: a role tells the agent what it did. One writer (the role's loop), one reader (the agent).
 *
 * Never blocks, never fails: when the log is full the record is dropped and counted, because a late
 * record is worth less than a live loop.
 */
#ifndef RPV_LOG_H
#define RPV_LOG_H

#include "region.h"

/* Appends `record`, stamped with the time where it has none. Says whether the log has just begun to fill: the agent is to read it
 * now, whatever there is to do. */
int log_put(struct log *log, struct log_record record);
/* The records of all roles, in a region for so many guards. */
uint64_t log_bytes(uint32_t guards_max);
/* They begin there. */
void log_place(struct region *region, uint64_t records_at);

/* The open incident's word, or a new one's when none is open: compare-and-swap, so that all
 * roles agree on the number. *opened tells whether it was us. */
uint32_t incident_open(struct guard *guard, uint64_t now_ns, int *opened);
/* The number behind a word. */
static inline uint32_t incident_number(uint32_t word) { return (word + 1) / 2; }
static inline int incident_is_open(uint32_t word) { return word & 1; }
/* Why the open incident is the kernel's (guard->judged); REASON_NONE: it is not. */
enum reason incident_reason(const struct guard *guard);
/* Has a watcher handed it over? From then on no order is carried out in it, and no handler of ours kills. */
int incident_is_handed_over(const struct guard *guard);
/* Closes the open incident; only for the watcher that owns the switch. False: it was closed already. */
int incident_close(struct guard *guard, uint32_t word);

/* Acquire and release of a shared word; pairs are named in region.h. */
#define shared_load(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
#define shared_store(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)

#endif
