/* SPDX-License-Identifier: MIT */
/* What release does for one group, and how it says so. */
#ifndef RPV_RELEASE_RECORD_H
#define RPV_RELEASE_RECORD_H

#include "ledger.h"
#include <stddef.h>

struct released {
	int failures;
	int left; /* to be done later */
	int said;
};

extern struct released released;

/* One line: "WHAT NAMETHEN". */
void release_say(const char *what, const char *name, const char *then);
/* Of an open memory.oom_control. */
int release_is_off(int control);
/* Switches the killer of the group at `dir` on, if it is off. Says whether it is a living reprieve's: then
 * it stays off. */
int release_switch_on(int dir, const char *name);
/* Says whether something is left that cannot be done yet. */
int release_record(const struct ledger_record *record);

#endif
