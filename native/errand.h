/* SPDX-License-Identifier: MIT */
/*
 * What the responder cannot do in a full group, and has done by others: by the watcher that does not own the switch,
 * and by the sampler; whoever is first. Two words each in struct guard: what is wanted, and what was done.
 */
#ifndef RPV_ERRAND_H
#define RPV_ERRAND_H

#include "region.h"

/* Does what is wanted for the guard; `dir`: its group's directory. */
void errand_do(struct guard *guard, int dir);

#endif
