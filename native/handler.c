/* SPDX-License-Identifier: MIT */
/* The role "handler": makes what its two threads share, starts the sampler, becomes the
 * responder. */
#include "handler.h"
#include "births.h"
#include "log.h"
#include "sys.h"

struct handler handler;

_Noreturn void handler_run(const char *run_dir, char **groups)
{
	if (role_start(&handler.self, ROLE_HANDLER, run_dir, groups))
		sys_exit(70);
	handler.designated_event = -1;
	handler_begin();
}

void handler_poke(struct guarded *g)
{
	shared_store(&g->poked, 1);
	role_wake(FD_RESPONDER);
}

/* What an earlier handler has recorded stays, and whom it knew has gone. */
static void make_records(uint32_t guards_max)
{
	struct frames *f = frames_of(handler.self.region);
	const struct recorder *r = handler.self.recorder;

	if (!f)
		return;
	handler.frames = f;
	handler.records[0] = (struct record){ .ring = &f->fast,
					      .data = f->fast_bytes,
					      .size = FAST_BYTES,
					      .span_ms = FAST_SPAN_MS,
					      .bits = FAST_BITS };
	handler.records[1] = (struct record){ .ring = &f->slow,
					      .data = f->slow_bytes,
					      .size = SLOW_BYTES,
					      .span_ms = SLOW_SPAN_MS,
					      .every_ms = SLOW_EVERY_MS,
					      .bits = SLOW_BITS };
	for (int i = 0; i < 2; i++) {
		struct record *one = &handler.records[i];

		one->of = role_memory(guards_max * sizeof(*one->of));
		one->codes = f->codes[i];
		record_resume(one, guards_max);
	}
	for (uint16_t slot = 0; slot < PROCS_MAX; slot++)
		if (r->latest[slot].pid && r->latest[slot].start_time)
			record_gone(f, &r->latest[slot], slot, r->known[slot].since_us,
				    sys_now_ns() / 1000);
}

void handler_make(void)
{
	const uint32_t guards_max = handler.self.region->guards_max;

	handler.guarded = role_memory(sizeof(*handler.guarded) * guards_max);
	handler.restless = role_memory(guards_max);
	handler.sampled = role_memory(sizeof(*handler.sampled));
	handler.respond_pids = role_memory(PIDS_BYTES);
	handler.sample_pids = role_memory(PIDS_BYTES);
	make_records(guards_max);
	table_init(&handler.table, handler.self.recorder,
		   role_memory(PROCS_MAX * sizeof(*handler.table.chain)));
	handler.table.past_pages = past_pages_of(handler.self.region);
	for (int i = 0; i < 2; i++)
		handler.table.codes[i] = handler.records[i].codes;
	for (uint32_t i = 0; i < guards_max; i++) {
		handler.guarded[i].guard = &handler.self.region->guards[i];
		handler.guarded[i].index = i;
	}
}

_Noreturn void handler_begin(void)
{
	struct sys_epoll_event poke = { SYS_EPOLLIN, HANDLER_POKE };
	char *sampler_stack;
	int err;

	handler_make();
	births_open();
	sampler_stack = role_memory(STACK_BYTES);
	handler.respond_epoll = sys_epoll_create();
	err = sys_epoll_ctl(handler.respond_epoll, SYS_EPOLL_ADD, FD_RESPONDER, &poke);
	if (err) {
		role_complain("cannot make", "an epoll", err);
		sys_exit(70);
	}
	if (reaper_start() < 0) {
		role_complain("cannot start", "the reaper", -EAGAIN);
		sys_exit(70);
	}
	role_ready(&handler.self);
	if (sys_thread(sampler_loop, sampler_stack + STACK_BYTES) < 0) {
		role_complain("cannot start", "the sampler", -EAGAIN);
		sys_exit(70);
	}
	role_hurry(&handler.self);
	responder_loop();
}
