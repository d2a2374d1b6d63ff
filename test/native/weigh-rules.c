/* SPDX-License-Identifier: MIT */
/* Description: weigh_process() multiplies the weights of the rules that hold, within bounds, and reads no further than its table. */
#include "../../native/weigh.h"
#include "check.h"
#include <string.h>

/* Patterns by their place in `text`. */
enum { NAME = 1, EXE = 32, CGROUP = 64 };

static struct weighing with(uint32_t n, const struct weigh_rule *rules)
{
	struct weighing w = { .rules = n };

	memcpy(w.rule, rules, n * sizeof(*rules));
	strcpy(w.text + NAME, "java*");
	strcpy(w.text + EXE, "/usr/bin/**");
	strcpy(w.text + CGROUP, "workers/*");
	return w;
}

#define ANY .uid = (uint32_t)WEIGH_ANYBODY
static const struct weigh_rule by_name = { ANY, .percent = 400, .name = NAME };
static const struct weigh_rule by_exe = { ANY, .percent = 50, .exe = EXE };
static const struct weigh_rule by_cgroup = { ANY, .percent = 25, .cgroup = CGROUP };
static const struct weigh_rule by_uid = { .uid = 1000, .percent = 300 };
static const struct weigh_rule both = { .uid = 1000, .percent = 200, .name = NAME };
static const struct weigh_rule last = { ANY, .percent = 0, .name = NAME };

static const struct weighed java = { "java", "/usr/bin/java", "workers/1", 1000 };
static const struct weighed shell = { "sh", "/bin/sh", "", 0 };

int main(void)
{
	const struct weigh_rule all[] = { by_name, by_exe, by_cgroup, by_uid, both };
	struct weigh_rule many[WEIGH_RULES_MAX];
	struct weighing w = with(5, all);

	CHECK(weigh_process(&w, &java) == 4 * 50 * 25 * 3 * 2 / 100);
	CHECK(weigh_process(&w, &shell) == WEIGH_EVEN);
	CHECK(weigh_wants_exe(&w) && weigh_wants_cgroup(&w));
	w = with(1, &both);
	CHECK(weigh_process(&w, &(struct weighed){ "java", "", "", 1 }) == WEIGH_EVEN);
	CHECK(weigh_process(&w, &java) == 200);
	CHECK(!weigh_wants_exe(&w) && !weigh_wants_cgroup(&w));
	for (int i = 0; i < WEIGH_RULES_MAX; i++)
		many[i] = by_name;
	w = with(WEIGH_RULES_MAX, many);
	CHECK(weigh_process(&w, &java) == WEIGH_MOST);
	many[3] = last;
	w = with(WEIGH_RULES_MAX, many);
	CHECK(weigh_process(&w, &java) == 0);
	for (int i = 0; i < WEIGH_RULES_MAX; i++)
		many[i] = by_cgroup;
	w = with(WEIGH_RULES_MAX, many);
	CHECK(weigh_process(&w, &java) == 1);
	w.rules = UINT32_MAX; /* a broken region */
	w.rule[0].name = UINT16_MAX;
	CHECK(weigh_process(&w, &java) == 1);
	CHECK_DONE();
}
