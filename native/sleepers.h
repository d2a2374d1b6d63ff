/* SPDX-License-Identifier: MIT */
/*
 * Who sleeps in a guard's OOM, and for how long: seen by the watcher that does not own the switch, thread by thread in their wchan,
 * while an incident is open. Bounded, and never before the incident is a tick old: those that are relieved sooner are left alone.
 */
#ifndef RPV_SLEEPERS_H
#define RPV_SLEEPERS_H

#include "watcher.h"

/* Before all is locked. */
void sleepers_start(void);
/* Looks, where they are due, and what they have found out into the log. Opens files: from outside the groups. */
void sleepers_see_to_all(uint64_t now_ns);

#endif
