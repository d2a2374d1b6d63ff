/* SPDX-License-Identifier: MIT */
#include "threshold.h"
#include "log.h"
#include "sys.h"

/* Writers: the watcher makes a free one asked, its thread makes that done, the watcher makes it free. */
enum stage { STAGE_FREE = 0, STAGE_ASKED = 1, STAGE_DONE = 2 };

struct setter {
	uint32_t stage;	   /* release */
	struct watched *w; /* NULL: it was let go meanwhile */
	uint64_t limit_bytes;
	struct memcg_threshold threshold;
};

static struct setter setters[SETTERS_MAX];
static uint32_t n_setters, begun;

static _Noreturn void setter_loop(void)
{
	struct setter *s = &setters[__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED)];
	uint32_t stage;

	for (;;) {
		while ((stage = shared_load(&s->stage)) != STAGE_ASKED)
			sys_futex_wait(&s->stage, stage);
		memcg_end_threshold(&s->threshold);
		shared_store(&s->stage, STAGE_DONE);
		role_wake(FD_CONTROL);
	}
}

void threshold_start(uint32_t guards_max)
{
	uint32_t wanted = guards_max < SETTERS_MAX ? guards_max : SETTERS_MAX;

	for (; n_setters < wanted; n_setters++) {
		char *stack = role_memory(SETTER_STACK_BYTES);

		if (sys_thread(setter_loop, stack + SETTER_STACK_BYTES) < 0)
			break;
	}
	if (!n_setters) {
		role_complain("cannot start", "a thread", -EAGAIN);
		sys_exit(70);
	}
}

uint64_t *threshold_limit(const struct watched *w)
{
	return &w->guard->threshold_limit[watcher.self.role - ROLE_WATCHDOG];
}

static int is_wanted(const struct watched *w)
{
	return *threshold_limit(w) != shared_load(&w->guard->limit_bytes) && w->attached &&
	       !w->awaits_threshold && !memcg_is_v2(&w->memcg) && w->guard->state != GUARD_GONE &&
	       shared_load(&w->guard->want) == WANT_ARMED;
}

/* Who acts at the margin wants to be told before. */
static uint64_t near_bytes(const struct watched *w)
{
	return (memcg_is_before(&w->memcg) ? 2 : 1) * w->guard->margin_bytes;
}

static void take(struct setter *s, uint64_t now_ns)
{
	struct watched *w = s->w;

	if (w && !s->threshold.err)
		shared_store(threshold_limit(w), s->limit_bytes);
	else if (w)
		w->due_ns = now_ns + THRESHOLD_AGAIN_MS * 1000000ull;
	if (w)
		w->awaits_threshold = 0;
	shared_store(&s->stage, STAGE_FREE);
}

static void ask(struct setter *s, struct watched *w, uint64_t now_ns)
{
	uint64_t limit_bytes = shared_load(&w->guard->limit_bytes);
	int opened = memcg_open_counters(&w->memcg);
	struct memcg_room room;
	int err = opened < 0 ? opened : memcg_limits(&w->memcg, &room);

	if (!err)
		err = memcg_begin_threshold(&w->memcg, &room, near_bytes(w), w->near_event,
					    &s->threshold);
	if (opened > 0)
		memcg_close_counters(&w->memcg);
	if (err) {
		w->due_ns = now_ns + THRESHOLD_AGAIN_MS * 1000000ull;
		return;
	}
	s->w = w;
	s->limit_bytes = limit_bytes;
	w->awaits_threshold = 1;
	shared_store(&s->stage, STAGE_ASKED);
	sys_futex_wake(&s->stage);
}

static struct setter *find_free(void)
{
	for (uint32_t i = 0; i < n_setters; i++)
		if (shared_load(&setters[i].stage) == STAGE_FREE)
			return &setters[i];
	return 0;
}

void threshold_take(uint64_t now_ns)
{
	for (uint32_t i = 0; i < n_setters; i++)
		if (shared_load(&setters[i].stage) == STAGE_DONE)
			take(&setters[i], now_ns);
}

int threshold_see_to(struct watched *w, uint64_t now_ns)
{
	struct setter *free;

	if (!is_wanted(w))
		return -1;
	free = find_free();
	if (!free)
		return -1; /* its thread wakes us */
	if (now_ns >= w->due_ns)
		ask(free, w, now_ns);
	return w->awaits_threshold ? -1 : THRESHOLD_AGAIN_MS;
}

void threshold_forget(struct watched *w)
{
	for (uint32_t i = 0; i < n_setters; i++)
		if (setters[i].w == w)
			setters[i].w = 0;
	w->awaits_threshold = 0;
}
