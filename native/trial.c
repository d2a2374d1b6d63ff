/* SPDX-License-Identifier: MIT */
/* Hop 4b: who handles a guard, and whether he still can. */
#include "trial.h"
#include "log.h"
#include "procfs.h"
#include "sys.h"
#include "text.h"
#include "verdict.h"

enum { MINUTE_MS = 60000 };

static void unfollow(struct followed *f)
{
	if (f->pidfd >= 0)
		sys_close(f->pidfd);
	if (f->wchan >= 0)
		sys_close(f->wchan);
	f->pidfd = f->wchan = -1;
}

/* Pins the process that the door has named. */
static void follow(struct followed *f, const struct designated *d)
{
	struct procfs_stat stat = { 0 };
	int proc;

	memset(f->comm, 0, COMM_BYTES);
	f->start_time = d->start_time;
	f->uid = d->uid;
	f->tid = d->tid;
	f->pidfd = sys_pidfd_open((int)f->pid);
	if (f->pidfd < 0)
		return;
	proc = procfs_open(f->pid);
	if (proc >= 0) {
		procfs_read_stat(proc, &stat);
		sys_close(proc);
	}
	if (stat.start_time != f->start_time) {
		unfollow(f); /* another's by now */
		return;
	}
	memcpy(f->comm, stat.comm, COMM_BYTES);
	if (f->tid)
		f->wchan = procfs_open_wchan(f->pid, f->tid);
	watcher_listen(f->pidfd);
}

void trial_follow(struct watched *w)
{
	const struct designated *d = &w->guard->designated;
	struct followed *f = &w->followed;
	uint32_t pid = shared_load(&d->pid);

	if (pid == f->pid && (!pid || d->start_time == f->start_time)) {
		if (f->pidfd >= 0 && sys_pidfd_dead(f->pidfd))
			unfollow(f); /* or the epoll would never sleep again */
		return;
	}
	unfollow(f);
	f->pid = pid;
	if (pid)
		follow(f, d);
}

static int is_ours_at_work(const struct watched *w)
{
	return watcher.handler >= 0 && shared_load(&w->guard->attached[ROLE_HANDLER]) == 1;
}

int trial_is_fit(const struct watched *w)
{
	return w->followed.pid ? w->followed.pidfd >= 0 : is_ours_at_work(w);
}

/* One whole delay at least. */
static uint32_t budget_ms(const struct guard *g)
{
	return g->delay_ms > BUDGET_MS ? g->delay_ms : BUDGET_MS;
}

/* What is spent of the budget comes back within a minute. */
static uint32_t spent_ms(const struct watched *w, uint64_t now_ns)
{
	uint64_t back_ms =
		(uint64_t)watch_ms_since(w->spent_ns, now_ns) * budget_ms(w->guard) / MINUTE_MS;

	return back_ms < w->spent_ms ? w->spent_ms - (uint32_t)back_ms : 0;
}

void trial_begin(struct watched *w, uint64_t now_ns)
{
	w->tried_pid = w->followed.pid;
	w->tried_ns = now_ns;
	w->has_relieved = 0;
}

static void tell(const struct watched *w, struct log_record r)
{
	r.guard = w->index;
	r.incident = incident_number(shared_load(&w->guard->incident));
	log_put(watcher.self.log, r);
}

void trial_tell(const struct watched *w)
{
	const struct followed *f = &w->followed;
	struct log_record r = { .step = STEP_LEFT_TO, .pid = (int)f->pid };

	if (!w->tried_pid || f->pidfd < 0)
		return;
	memcpy(r.comm, f->comm, COMM_BYTES);
	tell(w, r);
}

/* Once: one that frees a page at a time has relieved it again and again. */
static void tell_of_relief(struct watched *w)
{
	struct log_record r = { .step = STEP_RELIEF };

	if (!w->tried_pid || w->state != GUARD_RELIEF || w->has_relieved)
		return;
	w->has_relieved = 1;
	memcg_usage(&w->memcg, &r.bytes);
	tell(w, r);
}

void trial_pause(struct watched *w, uint64_t now_ns)
{
	w->spent_ms = spent_ms(w, now_ns) + watch_ms_since(w->tried_ns, now_ns);
	w->spent_ns = now_ns;
	tell_of_relief(w);
}

/* Does the thread, or any of the process where none is named, sleep in the group's OOM? */
static int is_asleep(const struct watched *w)
{
	const char *symbol = watcher.self.region->sleeps_in;
	const struct followed *f = &w->followed;

	if (!w->tried_pid)
		return procfs_sleeps_in(watcher.handler_wchan, symbol);
	if (f->tid)
		return procfs_sleeps_in(f->wchan, symbol);
	return procfs_any_sleeps_in(f->pid, symbol) && !sys_pidfd_dead(f->pidfd);
}

/* When the incident opened. One without a timer: who opened it was stopped before it set one. */
static uint64_t opened_ns(struct guard *g, uint64_t now_ns)
{
	uint64_t then_ns = 0;

	__atomic_compare_exchange_n(&g->opened_ns, &then_ns, now_ns, 0, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	return then_ns ? then_ns : now_ns;
}

enum reason trial_judge(struct watched *w, uint64_t now_ns)
{
	struct guard *g = w->guard;
	struct trial trial = {
		.age_ms = watch_ms_since(opened_ns(g, now_ns), now_ns),
		.delay_ms = g->delay_ms,
		.over_budget =
			spent_ms(w, now_ns) + watch_ms_since(w->tried_ns, now_ns) > budget_ms(g),
	};

	if (incident_is_handed_over(g))
		return incident_reason(g); /* who wrote that has not written the switch */
	if (w->tried_pid) {
		trial.dead = w->followed.pid != w->tried_pid || w->followed.pidfd < 0;
		trial.seen = 1; /* it owes no mark */
	} else {
		trial.dead = watcher.handler < 0;
		trial.seen = shared_load(&g->seen) == shared_load(&g->incident);
		trial.asks = trial.seen ? shared_load(&g->asks_hand_over) : 0;
		/* There was no event: it hears of it through the sampler. */
		trial.seen |= shared_load(&g->starving) != 0 || memcg_is_before(&w->memcg) ||
			      (memcg_is_v2(&w->memcg) &&
			       trial.age_ms < UNSEEN_AFTER_MS * memcg_patience(&w->memcg));
	}
	trial.asleep = !trial.dead && is_asleep(w);
	return verdict_on_handler(&trial);
}

uint32_t trial_left_ms(const struct watched *w, uint64_t now_ns)
{
	uint32_t age_ms = watch_ms_since(shared_load(&w->guard->opened_ns), now_ns);

	return age_ms < w->guard->delay_ms ? w->guard->delay_ms - age_ms : 0;
}

/* It may have become another user's by an exec: then it is not ours to end for that user. */
static int kill_designated(const struct followed *f)
{
	struct procfs_uids uids;
	int err;

	if (f->pidfd < 0)
		return -ESRCH;
	err = procfs_read_uids(f->pid, &uids);
	if (!err && uids.real != f->uid && uids.saved != f->uid)
		err = -EPERM;
	return err ? err : sys_pidfd_kill(f->pidfd);
}

int trial_kill(const struct watched *w)
{
	if (w->tried_pid)
		return w->followed.pid == w->tried_pid ? kill_designated(&w->followed) : -ESRCH;
	return watcher.handler < 0 ? -ESRCH : sys_pidfd_kill(watcher.handler);
}
