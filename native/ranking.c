/* SPDX-License-Identifier: MIT */
/* Hop 2c: the ranking of a guard, for who has designated himself. */
#include "handler.h"
#include "log.h"
#include "rank.h"
#include "sys.h"
#include "text.h"

/* Into the ranking, largest first. */
static void rank_in(struct ranking *r, const struct snapshot *s, uint32_t base_pages)
{
	uint64_t bytes = (uint64_t)rank_charged(s->anon_pages, base_pages) * 4096;
	uint32_t at = r->processes++;

	for (; at && r->process[at - 1].anon_bytes < bytes; at--)
		r->process[at] = r->process[at - 1];
	r->process[at] = (struct designate_process){
		.start_time = s->start_time, .anon_bytes = bytes, .pid = s->pid, .uid = s->uid
	};
	memcpy(r->process[at].comm, s->comm, COMM_BYTES);
}

void ranking_publish(const struct guarded *g, const struct rank *rank)
{
	struct ranking *r = role_rankings(&handler.self);
	const struct table *t = &handler.table;

	if (!r)
		return;
	r += g->index;
	__atomic_store_n(&r->sequence, r->sequence + 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* before all that follows */
	r->processes = 0;
	r->sampled_ms = sys_boot_ns() / 1000000;
	for (uint32_t i = 0; i < rank->n; i++) {
		uint32_t slot = rank->best[i].slot;

		if (!t->extra[slot].exempt)
			rank_in(r, &t->latest[slot], t->extra[slot].base_pages);
	}
	shared_store(&r->sequence, r->sequence + 1);
}
