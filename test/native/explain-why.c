/* SPDX-License-Identifier: MIT */
/* Description: explain() tells candidates in the order in which they are killed, and of all others why they are none. */
#include "../../native/explain.h"
#include "check.h"
#include "rank-rows.h"
#include <stdlib.h>
#include <string.h>

enum { OURS = 77, MOST = 64 };

struct row {
	struct snapshot s;
	struct table_extra e;
	enum explain_why why;
	uint32_t place; /* among those told */
};

#define READ .start_time = 1
static const struct row rows[] = {
	{ { READ, .pid = 10, .anon_pages = 5 * MB }, { .cpu_ns = 1 }, WHY_CANDIDATE, 1 },
	{ { READ, .pid = 11, .anon_pages = 9 * MB }, { .base_pages = 2 * MB }, WHY_CANDIDATE, 0 },
	{ { READ, .pid = 12, .anon_pages = MB }, { 0 }, WHY_CANDIDATE, 2 },
	{ { READ, .pid = 13, .anon_pages = 99 * MB }, { .elsewhere = 1 }, WHY_ELSEWHERE, 3 },
	{ { READ, .pid = 1, .anon_pages = 98 * MB }, { .exempt = 1 }, WHY_INIT, 4 },
	{ { READ, .pid = OURS, .anon_pages = 97 * MB }, { .exempt = 1 }, WHY_OURS, 5 },
	{ { READ, .pid = 14, .anon_pages = 96 * MB, .oom_score_adj = -1000 },
	  { .exempt = 1 },
	  WHY_UNKILLABLE,
	  6 },
	{ { READ, .pid = 15 }, { .exempt = 1 }, WHY_KERNEL, 7 },
	{ { READ, .pid = 16, .anon_pages = 95 * MB }, { .base_pages = 95 * MB }, WHY_BROUGHT, 8 },
	{ { READ, .pid = 17, .anon_pages = MB - 1 }, { 0 }, WHY_SMALL, 9 },
	{ { .pid = 18, .anon_pages = 94 * MB }, { 0 }, WHY_UNREAD, 10 },
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

static struct region *make_region(void)
{
	struct region *r =
		calloc(1, sizeof(*r) + sizeof(struct recorder) + sizeof(struct standing) +
				  PROCS_MAX * sizeof(uint32_t));

	r->recorder_offset = sizeof(*r);
	r->standing_offset = r->recorder_offset + sizeof(struct recorder);
	r->past_offset = r->standing_offset + sizeof(struct standing);
	r->helpers[ROLE_HANDLER].pid = OURS;
	return r;
}

static void put(struct region *r, uint32_t slot, const struct row *row)
{
	struct recorder *recorder = (void *)(r + 1);

	recorder->latest[slot] = row->s;
	recorder->known[slot] = row->e;
	recorder->known[slot].percent = 100;
}

static void tells_why(void)
{
	struct region *r = make_region();
	struct explained out[MOST];
	struct row other = {
		{ READ, .pid = 99, .guard = 1, .anon_pages = 1000 * MB }, { 0 }, 0, 0
	};

	for (uint32_t i = 0; i < ROWS; i++)
		put(r, i, &rows[i]);
	put(r, ROWS, &other);
	CHECK(explain(r, 0, out, MOST) == ROWS);
	for (uint32_t i = 0; i < ROWS; i++) {
		const struct explained *x = &out[rows[i].place];

		CHECK(x->pid == rows[i].s.pid);
		CHECK(x->why == rows[i].why);
		CHECK(x->score_pages == rank_charged(rows[i].s.anon_pages, rows[i].e.base_pages));
	}
	CHECK(explain(r, 0, out, 4) == 4);
	free(r);
}

/* The largest are primed, whether they may be killed or not: as in view_publish(). */
static void tells_who_is_beyond(void)
{
	struct region *r = make_region();
	struct explained out[MOST];
	struct row exempt = { { READ, .pid = 900, .anon_pages = 900 * MB }, { .exempt = 1 }, 0, 0 };

	put(r, 0, &exempt);
	for (uint32_t i = 1; i <= CANDIDATES_MAX; i++) {
		struct row row = { { READ, .pid = i + 1, .anon_pages = i * MB }, { 0 }, 0, 0 };

		put(r, i, &row);
	}
	CHECK(explain(r, 0, out, MOST) == CANDIDATES_MAX + 1);
	CHECK(out[0].pid == CANDIDATES_MAX + 1 && out[0].why == WHY_CANDIDATE);
	CHECK(out[CANDIDATES_MAX - 2].pid == 3 && out[CANDIDATES_MAX - 2].why == WHY_CANDIDATE);
	CHECK(out[CANDIDATES_MAX - 1].pid == 900);
	CHECK(out[CANDIDATES_MAX].pid == 2 && out[CANDIDATES_MAX].why == WHY_BEYOND);
	free(r);
}

static void put_facts(struct region *r, uint32_t slot, const struct rank_facts *f)
{
	struct row row = { { .start_time = f->start_time ? f->start_time : 1,
			     .pid = slot + 2,
			     .anon_pages = f->pages },
			   { 0 },
			   0,
			   0 };

	put(r, slot, &row);
	((struct recorder *)(r + 1))->known[slot].percent = f->percent & 0xfff;
	past_pages_of(r)[slot] = f->pages - f->grown;
}

/* What is shown is what is done: the table of rank_key(), whoever of the two was seen first. */
static void tells_as_ranked(void)
{
	for (uint32_t i = 0; i < RANK_ROWS; i++) {
		for (uint32_t at = 0; at < 2; at++) {
			struct region *r = make_region();
			struct explained out[MOST];

			standing_of(r, 0)->rank_by = rank_rows[i].by;
			put_facts(r, at, &rank_rows[i].first);
			put_facts(r, !at, &rank_rows[i].then);
			if (explain(r, 0, out, MOST) != 2 || out[0].pid != at + 2)
				printf("%s\n", rank_rows[i].what), check_failures++;
			free(r);
		}
	}
}

int main(void)
{
	tells_as_ranked();
	tells_why();
	tells_who_is_beyond();
	CHECK_DONE();
}
