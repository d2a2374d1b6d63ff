/* SPDX-License-Identifier: MIT */
/*
 * The role "look": one scan of each guard by the sampler's own code, and the responder's own choice of a victim, timed. There
 * are no watchers, and the powers are left out of the region: what it finds is in there (table, log), and nothing else is
 * changed.
 */
#include "look.h"
#include "errand.h"
#include "handler.h"
#include "log.h"
#include "step.h"
#include "sys.h"

enum {
	SCANS_MAX = 5
}; /* a scan of which somebody died, or whom there were no descriptors for, is not published */

/* Two records say how long it took: SEEN, and behind the choice WOULD_KILL, or GAVE_UP where nobody is worth it. */
static void choose(struct guarded *g)
{
	uint64_t begun_ns = sys_now_ns(), bound_ns = VICTIM_BOUND_MS * 1000000ull;
	int has_chosen = 0;

	g->response = (struct response){ .begun_ns = begun_ns,
					 .progress_ns = begun_ns,
					 .victim_pidfd = -1 };
	respond_tell(g, STEP_SEEN,
		     (struct log_record){ .t_ns = begun_ns, .bytes = g->room.usage_bytes });
	while (!(has_chosen = step_would_kill(g)) && sys_now_ns() - begun_ns < bound_ns) {
		errand_do(g->guard, g->memcg.dir); /* there is nobody else to */
		sys_sleep_ms(RESPOND_TICK_MS);
	}
	respond_tell(g, STEP_GAVE_UP, (struct log_record){ .result = has_chosen ? 0 : -EAGAIN });
}

static int look_at(struct guarded *g)
{
	int err = memcg_open(&g->memcg, role_open_group(g->guard), 0, NULL);

	if (!err)
		err = memcg_open_counters(&g->memcg);
	for (int i = 0; err >= 0 && !g->scanned_ms && i < SCANS_MAX; i++)
		scan_guard(g);
	if (err >= 0)
		err = memcg_oom(&g->memcg, &g->oom);
	if (!err)
		err = memcg_room(&g->memcg, &g->room);
	if (!err)
		choose(g);
	return err;
}

int look_run(void)
{
	static char *nowhere[] = { "-", NULL };

	if (role_start(&handler.self, ROLE_HANDLER, NULL, nowhere))
		return 70;
	handler.designated_event = -1;
	handler_make();
	for (uint32_t i = 0; i < handler_guards(); i++) {
		struct guarded *g = &handler.guarded[i];
		int err = shared_load(&g->guard->want) == WANT_NOTHING ? 0 : look_at(g);

		shared_store(&g->guard->attached[ROLE_HANDLER], err ? err : 1);
	}
	return 0;
}
