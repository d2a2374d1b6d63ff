/* SPDX-License-Identifier: MIT */
/* Hop 3: the orders "kill" and "terminate", by what was opened before. */
#include "log.h"
#include "oom_group.h"
#include "step.h"
#include "suspects.h"
#include "sys.h"
#include "text.h"

static struct log_record about(const struct choice *c)
{
	struct log_record r = { .pid = (int)c->pid,
				.bytes = c->bytes,
				.start_time = c->start_time,
				.arg = c->evidence };

	memcpy(r.comm, c->comm, COMM_BYTES);
	return r;
}

/* We may have been stopped for any time since we looked: then it is another OOM, or none, and whoever was chosen may be
 * innocent of it. What is younger than a tick is as good as another look. */
static int is_stale(struct guarded *g)
{
	if (shared_load(&g->guard->incident) != g->response.word ||
	    incident_is_handed_over(g->guard))
		return 1;
	if (sys_now_ns() - g->response.looked_ns < RESPOND_TICK_MS * 1000000ull)
		return 0;
	if (memcg_oom(&g->memcg, &g->oom) || memcg_room(&g->memcg, &g->room))
		return 1;
	return !memcg_in_oom(&g->oom, &g->room) && !shared_load(&g->guard->starving);
}

int step_choose(struct guarded *g, struct choice *choice)
{
	int err = choose_victim(g, choice);

	if (!err && is_stale(g))
		return -EAGAIN;
	if (!err)
		respond_tell(g, STEP_CHOSE, about(choice));
	return err;
}

/* v2: whom the kernel would kill with it. */
static void take_whole(struct guarded *g, uint32_t whole)
{
	struct response *r = &g->response;

	if (!whole)
		return;
	r->whole = whole;
	r->whole_view = view_current(g);
	r->times = r->members = 0;
	oom_group_kill(g);
}

/* The victim, by the signal. It is counted, and told. The order is carried out before the signal, for behind it we may be without
 * a CPU until the incident is closed: the memory came back by our kill then, too. */
static int strike(struct guarded *g, const struct choice *c, int signal, enum step step)
{
	struct response *r = &g->response;
	struct log_record record = about(c);
	uint32_t before = shared_load(&g->guard->carried_out);
	uint64_t signal_ns = sys_boot_ns();
	int err;

	shared_store(&g->guard->carried_out, signal == SYS_SIGKILL ? ORDER_KILL : ORDER_TERMINATE);
	err = c->pidfd >= 0 ? sys_pidfd_signal(c->pidfd, signal) : sys_kill((int)c->pid, signal);
	victim_remember(r, c, sys_now_ns());
	if (err) {
		shared_store(&g->guard->carried_out, before);
		r->victim = VICTIM_DEAD; /* it went by itself, or may not be killed: the next one */
	} else {
		shared_store(&g->guard->kills, g->guard->kills + 1);
		step_count_kill(g, r->progress_ns);
		/* To open a file inside the group may put the reaper to sleep, which is to help. */
		if (signal == SYS_SIGTERM && c->pidfd < 0)
			reaper_hold(g->index, c->pid, c->start_time, signal_ns);
		else if (!inside_lives_in(g))
			reaper_read_name(g->index, c->pid);
	}
	record.result = err;
	respond_tell(g, step, record);
	return err;
}

/* model: handler_kills */
void step_kill(struct guarded *g)
{
	struct choice c;
	uint32_t whole;
	int err = step_choose(g, &c);

	if (err == -EAGAIN)
		return; /* the table is being written, or we were stopped: the next tick */
	if (err) {
		g->response.is_over = 1;
		return;
	}
	whole = oom_group_of(g, c.pid);
	if (!strike(g, &c, SYS_SIGKILL, STEP_KILL))
		take_whole(g, whole);
}

/* It has had its time. One that could not be opened may have left its number to another: who has that is left to the next order. */
static void kill_the_asked(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	struct choice c = { .pid = r->victim_pid };
	struct log_record record = { .pid = (int)r->victim_pid, .bytes = r->victim_bytes };
	uint32_t whole = oom_group_of(g, c.pid);

	if (r->victim_pidfd == -EAGAIN && respond_ms_since(r->step_ns, now_ns) < step_bound_ms(g))
		return; /* the reaper has not come to it yet */
	if (r->victim_pidfd < 0) {
		r->victim = VICTIM_NONE;
		r->tries--;
		r->is_over = 1;
		return;
	}
	shared_store(&g->guard->carried_out, ORDER_KILL); /* as in strike() */
	record.result = sys_pidfd_kill(r->victim_pidfd);
	r->victim = VICTIM_DYING;
	r->killed_ns = r->progress_ns = now_ns;
	suspects_name(g, &c);
	memcpy(record.comm, c.comm, COMM_BYTES);
	respond_tell(g, STEP_KILL, record);
	if (record.result)
		shared_store(&g->guard->carried_out, ORDER_TERMINATE);
	else
		take_whole(g, whole);
}

/* First the signal, then the room: who sleeps in the OOM wakes with it pending, and handles it before he takes another page. */
void step_terminate(struct guarded *g, uint64_t now_ns)
{
	struct response *r = &g->response;
	struct choice c;
	int err;

	if (r->victim == VICTIM_ASKED) {
		kill_the_asked(g, now_ns);
		return;
	}
	err = step_choose(g, &c);
	if (err == -EAGAIN)
		return;
	if (err) {
		r->is_over = 1;
		return;
	}
	if (strike(g, &c, SYS_SIGTERM, STEP_TERMINATE))
		return;
	r->victim = VICTIM_ASKED;
	step_ask_for(g, ORDER_ROOM, c.pid);
}

int step_would_kill(struct guarded *g)
{
	/* On v2 all that is seen of an OOM of the kernel's is its kill: whom we would have killed may be gone. */
	int is_late = incident_is_open(g->response.word) && !g->oom.held && memcg_is_v2(&g->memcg);
	struct choice c;
	int err = is_late ? choose_sampled(g, &c) : -ESRCH;

	if (err)
		err = choose_victim(g, &c);
	if (err == -EAGAIN)
		return 0;
	if (!err)
		respond_tell(g, STEP_WOULD_KILL, about(&c));
	return 1;
}
