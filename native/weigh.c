/* SPDX-License-Identifier: MIT */
/* What a process counts for when the victim is chosen. */
#include "weigh.h"
#include "glob.h"

static uint32_t rules_of(const struct weighing *w)
{
	return w->rules < WEIGH_RULES_MAX ? w->rules : WEIGH_RULES_MAX;
}

static int fits(const struct weighing *w, uint16_t at, const char *text)
{
	return !at || (at < WEIGH_TEXT_BYTES && glob_matches(w->text + at, text));
}

int weigh_rule_holds(const struct weighing *w, uint32_t index, const struct weighed *p)
{
	const struct weigh_rule *rule = &w->rule[index];

	return (rule->uid == (uint32_t)WEIGH_ANYBODY || rule->uid == p->uid) &&
	       fits(w, rule->name, p->name) && fits(w, rule->exe, p->exe) &&
	       fits(w, rule->cgroup, p->cgroup);
}

uint32_t weigh_process(const struct weighing *w, const struct weighed *p)
{
	uint32_t percent = WEIGH_EVEN;

	for (uint32_t i = 0; i < rules_of(w); i++) {
		uint32_t by = w->rule[i].percent;

		if (!weigh_rule_holds(w, i, p))
			continue;
		if (!by)
			return 0;
		percent = percent * by / WEIGH_EVEN;
		if (percent > WEIGH_MOST)
			percent = WEIGH_MOST;
		if (!percent)
			percent = 1;
	}
	return percent;
}

int weigh_wants_exe(const struct weighing *w)
{
	for (uint32_t i = 0; i < rules_of(w); i++)
		if (w->rule[i].exe)
			return 1;
	return 0;
}

int weigh_wants_cgroup(const struct weighing *w)
{
	for (uint32_t i = 0; i < rules_of(w); i++)
		if (w->rule[i].cgroup)
			return 1;
	return 0;
}
