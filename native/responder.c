/* SPDX-License-Identifier: MIT */
/*
 * Hop 3: the responder. Event -> what is there -> next order -> act -> look again.
 *
 * One blocking call. From the event on it opens nothing, allocates nothing, faults no page; a
 * sleeping or full group cannot hold it up, whether it lives outside or inside. While an incident
 * is open it looks every RESPOND_TICK_MS.
 */
#include "handler.h"
#include "log.h"
#include "oom_group.h"
#include "sys.h"
#include "text.h"

/* When the first step was logged that the agent does not know of; 0: none. It is woken when the
 * victim is dead, or soon: its millisecond of CPU is better spent on freeing memory. */
static uint64_t told_ns;

void respond_tell(const struct guarded *g, enum step step, struct log_record r)
{
	r.guard = g->index;
	r.incident = incident_number(g->response.word);
	r.step = step;
	log_put(handler.self.log, r);
	if (!told_ns)
		told_ns = sys_now_ns();
}

static struct log_record about(const struct choice *c)
{
	struct log_record r = { .pid = (int)c->pid,
				.bytes = c->bytes,
				.start_time = c->start_time,
				.arg = c->evidence };

	memcpy(r.comm, c->comm, COMM_BYTES);
	return r;
}

/* v2: a charge may jump past memory.high, to where the kernel kills before we look. */
static uint32_t kills_before(const struct guarded *g)
{
	return memcg_is_v2(&g->memcg) ? shared_load(&g->guard->kills_at_open) : g->oom.kills;
}

/* Joins the open incident, or opens one. */
/* model: handler_opens */
static void begin(struct guarded *g, uint64_t now_ns)
{
	int opened;
	uint32_t word = incident_open(g->guard, now_ns, &opened);

	g->response = (struct response){ .word = word,
					 .begun_ns = now_ns,
					 .progress_ns = now_ns,
					 .last_kills = kills_before(g),
					 .victim_pidfd = -1 };
	shared_store(&g->guard->kills, 0);
	shared_store(&g->guard->faults, 0);
	shared_store(&g->guard->dying, 0);
	shared_store(&g->guard->asks_hand_over, REASON_NONE);
	shared_store(&g->guard->seen, word);
	if (opened) {
		respond_tell(g, STEP_OPENED,
			     (struct log_record){ .t_ns = now_ns, .arg = CAUSE_OOM });
		role_wake_watchers(); /* it may have looked a moment before */
	}
	respond_tell(g, STEP_SEEN,
		     (struct log_record){ .t_ns = now_ns, .bytes = g->room.usage_bytes });
}

/* The incident is over, whatever has become of the victim. */
static void end(struct guarded *g)
{
	g->response.word = 0;
	g->response.victim = VICTIM_NONE;
	shared_store(&g->guard->dying, 0);
	__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
}

static void give_up(struct guarded *g, enum reason reason)
{
	if (shared_load(&g->guard->asks_hand_over))
		return;
	shared_store(&g->guard->asks_hand_over, reason);
	respond_tell(g, STEP_GAVE_UP, (struct log_record){ .arg = reason });
	role_wake_watchers();
}

/* We may have been stopped for any time since we looked: then it is another OOM, or none, and whoever was chosen may be
 * innocent of it. */
static int is_stale(struct guarded *g)
{
	if (shared_load(&g->guard->incident) != g->response.word || memcg_oom(&g->memcg, &g->oom) ||
	    memcg_room(&g->memcg, &g->room))
		return 1;
	return !memcg_in_oom(&g->oom, &g->room) && !shared_load(&g->guard->starving);
}

/* model: handler_kills */
static void choose_and_kill(struct guarded *g)
{
	struct response *r = &g->response;
	struct log_record record;
	struct choice c;
	uint32_t whole;
	int err = choose_victim(g, &c);

	if (err == -EAGAIN)
		return; /* the table is being written: the next tick */
	if (err) {
		give_up(g, REASON_NO_CANDIDATE);
		return;
	}
	if (is_stale(g))
		return;
	respond_tell(g, STEP_CHOSE, about(&c));
	whole = oom_group_of(g, c.pid);
	err = c.pidfd >= 0 ? sys_pidfd_kill(c.pidfd) : sys_kill((int)c.pid, SYS_SIGKILL);
	victim_remember(r, &c, sys_now_ns());
	if (err)
		r->victim = VICTIM_DEAD; /* it went by itself, or may not be killed: the next one */
	else
		shared_store(&g->guard->kills, g->guard->kills + 1);
	record = about(&c);
	record.result = err;
	respond_tell(g, STEP_KILL, record);
	if (whole && !err) {
		r->whole = whole;
		r->whole_view = g->current;
		r->times = r->members = 0;
		oom_group_kill(g);
	}
}

static void observe(struct guarded *g)
{
	struct choice c;
	int err = choose_victim(g, &c);

	if (err == -EAGAIN)
		return;
	g->response.has_chosen = 1;
	if (!err)
		respond_tell(g, STEP_WOULD_KILL, about(&c));
}

static struct sight look(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	int full = memcg_is_full(&g->room);

	if (g->oom.kills != r->last_kills) {
		r->last_kills = g->oom.kills;
		r->killed_by_kernel = 1;
		r->progress_ns = now_ns;
	}
	victim_look_after(g, now_ns);
	if (r->whole)
		oom_group_kill(g);
	return (struct sight){
		.in_oom = memcg_in_oom(&g->oom, &g->room) ||
			  (full && g->oom.held && !r->has_relieved &&
			   shared_load(&g->guard->starving)),
		.full = full,
		.held = g->oom.held,
		.allow_kill = (g->guard->flags & GUARD_ALLOW_KILL) != 0,
		.has_chosen = r->has_chosen,
		.victim = r->victim,
		.kills = shared_load(&g->guard->kills),
		.idle_ms = respond_ms_since(r->progress_ns, now_ns) / memcg_patience(&g->memcg),
		.killed_by_kernel = r->killed_by_kernel,
	};
}

static void relieved(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;

	if (r->victim == VICTIM_DYING)
		r->progress_ns =
			now_ns; /* it gives memory back: 2 GB take 60 ms and more (measured) */
	if (r->victim != VICTIM_NONE && !r->has_relieved)
		respond_tell(g, STEP_RELIEF, (struct log_record){ .bytes = g->room.usage_bytes });
	r->has_relieved = 1;
}

static void act(struct guarded *g, enum order order, uint64_t now_ns)
{
	switch (order) {
	case ORDER_WAIT:
		break;
	case ORDER_KILL:
		choose_and_kill(g);
		break;
	case ORDER_OBSERVE:
		observe(g);
		break;
	case ORDER_RELIEVED:
		relieved(g, now_ns);
		break;
	case ORDER_GIVE_UP:
		give_up(g, REASON_KILL_CAP);
		break;
	}
}

/* Is this incident a designated handler's? To its end, whatever becomes of him: the watchers judge. */
static int is_left(struct guarded *g, uint32_t word)
{
	struct response *r = &g->response;
	int is_designated = shared_load(&g->guard->designated.pid) != 0;

	if (incident_is_open(r->word))
		return 0; /* ours, since before he was designated */
	if (is_designated)
		r->left_word = word | 1; /* the open one, or the next */
	return is_designated || (incident_is_open(word) && word == r->left_word);
}

/* One look at one guard. Says whether to look again at the next tick. */
static int respond(struct guarded *g)
{
	struct response *r = &g->response;
	uint32_t word = shared_load(&g->guard->incident);
	uint64_t now_ns = sys_now_ns();
	struct sight sight;
	uint64_t faults;
	int fired = r->fired;

	r->fired = 0;
	if (r->word != word)
		end(g); /* closed by the watcher */
	if (is_left(g, word))
		return 0;
	if (memcg_oom(&g->memcg, &g->oom) || memcg_room(&g->memcg, &g->room)) {
		end(g); /* removed: the watchers tell */
		return 0;
	}
	if (!fired && !g->oom.under_oom && !incident_is_open(r->word))
		return 0;
	if (!incident_is_open(r->word) && !incident_is_open(word)) {
		/* An ancestor's; one of ours behind it would come without an event. */
		if (g->oom.under_oom && !memcg_in_oom(&g->oom, &g->room))
			return 1;
		/* With the kernel's killer on, the event is all there is to see: it may be over. */
		if (!g->oom.under_oom && (g->oom.held || !memcg_is_full(&g->room)))
			return 0;
		if (memcg_is_v2(&g->memcg) && !g->oom.held)
			return 0; /* the kernel's own: the watchers see its kill */
	}
	if (!incident_is_open(r->word))
		begin(g, now_ns);
	faults = sys_faults_of_thread();
	__atomic_store_n(&g->busy, 1, __ATOMIC_SEQ_CST);
	sight = look(g, now_ns);
	act(g, orders_next(&sight), now_ns);
	shared_store(&g->guard->dying, r->victim == VICTIM_DYING);
	if (r->victim != VICTIM_DYING && !r->whole)
		__atomic_store_n(&g->busy, 0, __ATOMIC_SEQ_CST);
	faults = sys_faults_of_thread() - faults;
	shared_store(&g->guard->faults, g->guard->faults + (uint32_t)faults);
	return 1;
}

/* Nested OOMs swallow each other's events: one of a guard means a look at each of its tree. */
static void find_restless(void)
{
	memset(handler.restless, 0, handler.guards);
	for (uint32_t i = 0; i < handler.guards; i++) {
		const struct guarded *g = &handler.guarded[i];

		handler.restless[g->guard->tree] |=
			g->response.fired || g->oom.under_oom || incident_is_open(g->response.word);
	}
}

/* A guard that is not armed yet may be another reprieve's. What came before is the watchers' to see: they wake us. */
static int is_ours(struct guarded *g)
{
	return shared_load(&g->active) && shared_load(&g->guard->want) == WANT_ARMED;
}

static void wake_agent(int dying)
{
	if (!told_ns || (dying && respond_ms_since(told_ns, sys_now_ns()) < AGENT_WAKE_MS))
		return;
	role_wake(FD_AGENT);
	told_ns = 0;
}

static void take_event(uint32_t index)
{
	struct guarded *g = &handler.guarded[index];
	uint64_t count;

	if (index != HANDLER_POKE) {
		memcg_take_event(&g->memcg, g->oom_event);
		g->response.fired = is_ours(g);
		return;
	}
	sys_read(handler.poke_event, &count, sizeof(count));
	for (uint32_t i = 0; i < handler.guards; i++) {
		g = &handler.guarded[i];
		if (__atomic_exchange_n(&g->poked, 0, __ATOMIC_ACQ_REL))
			g->response.fired = is_ours(g);
	}
}

_Noreturn void responder_loop(void)
{
	struct sys_epoll_event events[16];
	int open = 0;

	for (;;) {
		int dying = 0;
		int n = sys_epoll_wait(handler.respond_epoll, events, 16,
				       open ? RESPOND_TICK_MS : -1);

		shared_store(&handler.self.me->beat_ns, sys_now_ns());
		for (int i = 0; i < n; i++) {
			take_event((uint32_t)events[i].data);
		}
		open = 0;
		find_restless();
		for (uint32_t i = 0; i < handler.guards; i++) {
			struct guarded *g = &handler.guarded[i];

			if (!handler.restless[g->guard->tree] || !is_ours(g))
				continue;
			open |= respond(g);
			dying |= g->response.victim == VICTIM_DYING;
		}
		wake_agent(dying);
	}
}
