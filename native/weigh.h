/* SPDX-License-Identifier: MIT */
/* What a process counts for when the victim is chosen: "prefer" and "avoid". Pure. A part of the contract (region.h). */
#ifndef RPV_WEIGH_H
#define RPV_WEIGH_H

#include "limits.h"
#include <stdint.h>

/* Of the processes that it holds for. */
struct weigh_rule {
	uint32_t uid;	  /* WEIGH_ANYBODY */
	uint16_t percent; /* so much their memory counts; 0: they are the last to be chosen */
	/* where in `text` the pattern begins; 0: any */
	uint16_t name;
	uint16_t exe;
	uint16_t cgroup; /* of the path of its group below the guard's, without a leading / */
};

/* The rules of a guard; guards with the same have one together. Writer: the agent. */
struct weighing {
	uint32_t rules;
	struct weigh_rule rule[WEIGH_RULES_MAX];
	char text[WEIGH_TEXT_BYTES]; /* each pattern terminated */
};

enum { WEIGH_ANYBODY = -1, WEIGH_EVEN = 100 };

/* All terminated. */
struct weighed {
	const char *name;
	const char *exe;
	const char *cgroup;
	uint32_t uid;
};

/* In percent: the product of all rules that hold for it, no more than WEIGH_MOST, and only by a rule with 0 less than 1. */
uint32_t weigh_process(const struct weighing *weighing, const struct weighed *process);
/* Does rule `index` hold for it? */
int weigh_rule_holds(const struct weighing *weighing, uint32_t index,
		     const struct weighed *process);
/* Has any rule a pattern of that kind? What none asks for need not be read. */
int weigh_wants_exe(const struct weighing *weighing);
int weigh_wants_cgroup(const struct weighing *weighing);

#endif
