/* SPDX-License-Identifier: MIT */
/*
 * Hop 3b: who holds memory that those primed do not explain? Somebody whom the sampler has not read since: the
 * newborn, and those beyond the primed.
 *
 * In a full group they cannot be read without opening something, so those who used most CPU time since (memory is
 * touched with CPU time, and that can be read) are named to somebody who can: errand.c. Where nobody answers in
 * time, CPU time itself decides.
 */
#ifndef RPV_SUSPECTS_H
#define RPV_SUSPECTS_H

#include "handler.h"

/*
 * The suspect most worth a kill. newborn_only: those of the view are none. `bytes`: more than anybody known holds is
 * unexplained; 0: less, but somebody may come before the best.
 * 0; -EAGAIN: not known yet, look again; -ESRCH: none is worth a kill.
 */
int suspects_choose(struct guarded *g, int newborn_only, uint64_t bytes, struct choice *choice);

/* The name of who was chosen, as last sampled; empty where the table is being written. */
void suspects_name(const struct guarded *g, struct choice *choice);

#endif
