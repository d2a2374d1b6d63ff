/* SPDX-License-Identifier: MIT */
/* Between two scans: what the process connector tells changes the table, and a newborn is primed. The sampler's. */
#ifndef RPV_BIRTHS_H
#define RPV_BIRTHS_H

#include "handler.h"

/* Where the agent wants it: opens the connector, and says in the region how that went. Before "ready". */
void births_open(void);
/* To be waited for; -1: nothing is. */
int births_fd(uint64_t now_ms);
/* When there is something to be done at the latest. */
uint64_t births_due_ms(void);
/* Takes what was told, bounded, and reads some of the newborn. `told`: something waits. */
void births_turn(uint64_t now_ms, int told);
/* Since the guard's last scan: it is not to be put off. */
int births_were_lost(const struct guarded *g);
/* None were, and lists are to be spared. */
int births_are_told(const struct guarded *g);
/* A scan of the guard begins: where its groups are is found out anew. */
void births_begin_scan(const struct guarded *g);

#endif
