/* SPDX-License-Identifier: MIT */
/* What is known of a guard's processes, and why each is or is not one that would be killed. */
#include "explain.h"
#include "rank.h"
#include "text.h"

static const struct recorder *recorder_of(const struct region *r)
{
	return (const void *)((const char *)r + r->recorder_offset);
}

/* The sampler has read it, and counts it among the guard's. */
static int is_ranked(const struct snapshot *s, const struct table_extra *e)
{
	return s->start_time && !e->elsewhere;
}

static enum explain_why why_exempt(const struct region *r, const struct snapshot *s)
{
	return s->pid <= 1		   ? WHY_INIT
	       : region_is_ours(r, s->pid) ? WHY_OURS
	       : s->oom_score_adj == -1000 ? WHY_UNKILLABLE
					   : WHY_KERNEL;
}

static enum explain_why why_of(const struct region *r, const struct snapshot *s,
			       const struct table_extra *e, int is_primed)
{
	uint64_t bytes = 4096ull * rank_charged(s->anon_pages, e->base_pages);

	if (!s->start_time)
		return WHY_UNREAD;
	if (e->elsewhere)
		return WHY_ELSEWHERE;
	if (e->exempt)
		return why_exempt(r, s);
	if (bytes < KILL_MIN_BYTES)
		return 4096ull * s->anon_pages < KILL_MIN_BYTES ? WHY_SMALL : WHY_BROUGHT;
	return is_primed ? WHY_CANDIDATE : WHY_BEYOND;
}

static struct rank_facts facts_of(const struct region *r, uint32_t slot)
{
	const struct snapshot *s = &recorder_of(r)->latest[slot];
	const struct table_extra *e = &recorder_of(r)->known[slot];
	uint32_t pages = rank_charged(s->anon_pages, e->base_pages);
	uint32_t past = past_pages_of(r) ? past_pages_of(r)[slot] : 0;

	return (struct rank_facts){ .start_time = s->start_time,
				    .pages = pages,
				    .grown = pages > past ? pages - past : 0,
				    .percent = e->percent };
}

static struct explained told(const struct region *r, uint32_t slot, int is_primed)
{
	const struct snapshot *s = &recorder_of(r)->latest[slot];
	const struct table_extra *e = &recorder_of(r)->known[slot];
	const struct rank_facts facts = facts_of(r, slot);
	struct explained out = {
		.start_time = s->start_time,
		.pid = s->pid,
		.uid = s->uid,
		.anon_pages = s->anon_pages,
		.base_pages = e->base_pages,
		.score_pages = facts.pages,
		.grown_pages = facts.grown,
		.percent = e->percent,
		.why = why_of(r, s, e, is_primed),
		.oom_score_adj = s->oom_score_adj,
		.group = s->group,
	};

	memcpy(out.comm, s->comm, COMM_BYTES);
	return out;
}

static int is_primed(const struct rank *rank, uint32_t slot)
{
	for (uint32_t i = 0; i < rank->n; i++)
		if (rank->best[i].slot == slot)
			return 1;
	return 0;
}

uint32_t explain(const struct region *r, uint32_t guard, struct explained *out, uint32_t most)
{
	const struct recorder *recorder = recorder_of(r);
	const enum rank_by by = rank_by_of(standing_of((struct region *)(uintptr_t)r, guard));
	struct rank rank = { 0 };
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < PROCS_MAX; slot++) {
		const struct snapshot *s = &recorder->latest[slot];
		const struct table_extra *e = &recorder->known[slot];

		if (s->pid && s->guard == guard && is_ranked(s, e)) {
			struct rank_facts facts = facts_of(r, slot);

			rank_offer(&rank, slot, rank_key(by, &facts));
		}
	}
	for (uint32_t i = 0; i < rank.n && n < most; i++) {
		out[n] = told(r, rank.best[i].slot, 1);
		n += out[n].why == WHY_CANDIDATE;
	}
	for (uint32_t slot = 0; slot < PROCS_MAX && n < most; slot++) {
		if (!recorder->latest[slot].pid || recorder->latest[slot].guard != guard)
			continue;
		out[n] = told(r, slot, is_primed(&rank, slot));
		n += out[n].why != WHY_CANDIDATE;
	}
	return n;
}
