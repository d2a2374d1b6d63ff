/* SPDX-License-Identifier: MIT */
/*
 * Hop 4a: the loop of a watcher. One blocking call; no timer while no guard is near its limit.
 *
 * Owner: each turn looks at every guard an event may concern. Not owner: sees to it that the
 * owner's beat follows each event within SILENT_AFTER_MS, else takes the switch. A watcher that
 * was stopped and wakes finds itself not the owner.
 */
#include "watcher.h"
#include "carry_out.h"
#include "errand.h"
#include "high.h"
#include "log.h"
#include "procfs.h"
#include "sleepers.h"
#include "sys.h"
#include "text.h"
#include "threshold.h"
#include "trial.h"

enum { WAKE_CONTROL = 1u << 16, WAKE_AGENT, WAKE_PEER, WAKE_HIGH, WAKE_NEAR = 1u << 20 };

struct watcher watcher = { .handler = -1, .other = -1, .door = -1, .handler_wchan = -1 };

enum role watcher_other_role(void)
{
	return watcher.self.role == ROLE_WATCHDOG ? ROLE_SPARE : ROLE_WATCHDOG;
}

void watcher_wake_other(void)
{
	role_wake(watcher.self.role == ROLE_WATCHDOG ? FD_SPARE : FD_WATCHDOG);
}

int watcher_owns(void)
{
	return shared_load(&watcher.self.region->owner) == (uint32_t)watcher.self.role;
}

static void add_to_epoll(int fd, uint32_t mask, uint64_t data)
{
	struct sys_epoll_event ev = { mask, data };

	sys_epoll_ctl(watcher.epoll, SYS_EPOLL_ADD, fd, &ev);
}

void watcher_listen(int pidfd) { add_to_epoll(pidfd, SYS_EPOLLIN, WAKE_PEER); }

/* Follows a helper by pidfd; a restarted one is a new pid. Says whether one is alive. */
static int follow_helper(enum role role, uint32_t *pid, int *pidfd)
{
	const struct helper *h = &watcher.self.region->helpers[role];

	if (shared_load(&h->ready) && h->pid != *pid) {
		if (*pidfd >= 0)
			sys_close(*pidfd);
		*pidfd = sys_pidfd_open((int)h->pid);
		if (*pidfd >= 0 || *pidfd == -ESRCH)
			*pid = h->pid;
		if (*pidfd >= 0)
			watcher_listen(*pidfd);
	}
	if (*pidfd >= 0 && sys_pidfd_dead(*pidfd)) {
		sys_close(*pidfd); /* or the epoll would never sleep again */
		*pidfd = -1;
	}
	return *pidfd >= 0;
}

static void follow_handler(void)
{
	uint32_t pid = watcher.handler_pid;

	follow_helper(ROLE_HANDLER, &watcher.handler_pid, &watcher.handler);
	if (watcher.handler_pid == pid)
		return;
	if (watcher.handler_wchan >= 0)
		sys_close(watcher.handler_wchan);
	watcher.handler_wchan = procfs_open_wchan(watcher.handler_pid, watcher.handler_pid);
}

/* The agent wants nothing of it any more. The owner of the switch first: a guard that is not over is put back by whoever owns
 * it then. */
static void leave(struct watched *w)
{
	if (!guard_is_over(w->guard) && w->attached && watcher_owns())
		watch_leave(w);
	if (!guard_is_over(w->guard))
		return;
	if (w->guard->attached[watcher.self.role])
		watch_let_go(w);
	watch_make_free(w->guard);
}

static void attach(struct watched *w)
{
	int err = watch_attach(w);

	w->due_ns = err ? sys_now_ns() + ATTACH_AGAIN_MS * 1000000ull : 0;
	if (!err) {
		add_to_epoll(w->oom_event, memcg_event_mask(&w->memcg), w->index);
		if (!memcg_is_v2(&w->memcg)) /* there memory.high says so */
			add_to_epoll(w->near_event, SYS_EPOLLIN, w->index | WAKE_NEAR);
	} else if (err == -ENOENT && watcher_owns() && !guard_is_over(w->guard)) {
		shared_store(&w->guard->state, GUARD_GONE); /* while we were dead */
	}
	shared_store(&w->guard->attached[watcher.self.role], err ? err : 1);
	role_wake(FD_AGENT);
}

static void follow_wants(struct watched *w)
{
	uint32_t want = shared_load(&w->guard->want);

	if (want == WANT_GIVEN_UP)
		leave(w);
	if (want == WANT_NOTHING || (want == WANT_GIVEN_UP && guard_is_over(w->guard)))
		return;
	if (!w->attached && !watcher.is_ending && w->guard->state != GUARD_GONE &&
	    sys_now_ns() >= w->due_ns && role_may_attach(w->guard, watcher.self.role))
		attach(w);
}

static void take_events(const struct sys_epoll_event *events, int n, uint64_t now_ns)
{
	for (int i = 0; i < n; i++) {
		uint64_t count;
		uint32_t data = (uint32_t)events[i].data;
		struct watched *w = &watcher.watched[data & 0xffff];

		if (data == WAKE_CONTROL) {
			sys_read(FD_CONTROL, &count, sizeof(count));
		} else if (data == WAKE_HIGH) {
			high_take_events();
		} else if (data & WAKE_NEAR) {
			sys_read(w->near_event, &count, sizeof(count));
			w->has_come_near = 1;
			watcher.event_ns = now_ns;
		} else if (data < WAKE_CONTROL) {
			memcg_take_event(&w->memcg, w->oom_event);
			watch_hear_event(w, now_ns);
		}
	}
}

/* What has become of each guard, as far as others say. One pass, for there may be a thousand. */
static void follow_guards(void)
{
	int owns = watcher_owns();

	memset(watcher.restless, 0, watcher.guards);
	watcher.is_any_open = watcher.is_any_near = 0;
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];

		guard_fetch(watcher.self.region, i, w, sizeof(*w));
		follow_wants(w);
		trial_follow(w);
		watcher.is_any_open |= incident_is_open(shared_load(&w->guard->incident));
		watcher.is_any_near |= !owns && oversee_is_near(w);
		if (watch_is_restless(w))
			watcher.restless[w->guard->tree] = 1;
	}
}

/* What the responder, or the owner of the switch, cannot do. Returns the next timeout. */
static int do_for_others(void)
{
	int next_ms = -1;

	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];

		if (!w->attached)
			continue;
		if (errand_do(w->guard, w->memcg.dir))
			role_wake(FD_RESPONDER);
		if (carry_out_slow(w))
			next_ms = WATCH_TICK_MS;
	}
	return next_ms;
}

/* The owner's looks. Returns the next timeout. */
static int look_around(void)
{
	uint64_t begun_ns = sys_now_ns();
	int rests = rest_lasts(&watcher.rest, begun_ns), next_ms = -1;

	for (uint32_t i = 0; i < watcher.guards && watcher_owns(); i++) {
		struct watched *w = &watcher.watched[i];

		if (!watch_is_due(w))
			continue;
		next_ms = watcher_sooner(next_ms,
					 rests && !watch_is_called(w)
						 ? watcher_ms_until(watcher.rest.until_ns, begun_ns)
						 : watch_look(w));
	}
	if (!rests)
		rest_begin(&watcher.rest, begun_ns, sys_now_ns(), WATCH_TICK_MS);
	return next_ms;
}

/* What may wait. Returns the next timeout. */
static int see_to_the_rest(uint64_t now_ns, int peer_alive)
{
	int next_ms = watch_hear_next_ms(now_ns), is_slow = 0;

	threshold_take(now_ns);
	for (uint32_t i = 0; i < watcher.guards; i++) {
		struct watched *w = &watcher.watched[i];

		next_ms = watcher_sooner(next_ms, threshold_see_to(w, now_ns));
		is_slow |= slow_work_is_wanted(w);
	}
	return watcher_sooner(next_ms, slow_work_see_to(now_ns, peer_alive, is_slow));
}

/* One turn. Returns the next timeout. */
/* model: watcher_wakes */
static int turn(uint64_t now_ns)
{
	int peer_alive = follow_helper(watcher_other_role(), &watcher.other_pid, &watcher.other);
	int next_ms = -1;

	follow_handler();
	follow_helper(ROLE_DOOR, &watcher.door_pid, &watcher.door);
	follow_guards();
	if (!watcher_owns())
		next_ms = oversee_owner(now_ns, peer_alive);
	if (watcher_owns())
		next_ms = watcher_sooner(next_ms, look_around());
	if (!watcher_owns() || !peer_alive)
		next_ms = watcher_sooner(next_ms, do_for_others());
	if (!watcher_owns() || !peer_alive)
		sleepers_see_to_all(now_ns);
	return watcher_sooner(next_ms, see_to_the_rest(now_ns, peer_alive));
}

_Noreturn void watcher_run(enum role role, const char *run_dir, char **groups)
{
	struct sys_epoll_event events[16];
	int timeout_ms = 0, agent_dead = 0;
	uint32_t guards_max;

	if (role_start(&watcher.self, role, run_dir, groups))
		sys_exit(70);
	guards_max = watcher.self.region->guards_max;
	watcher.watched = role_memory(sizeof(*watcher.watched) * guards_max);
	watcher.restless = role_memory(guards_max);
	for (uint32_t i = 0; i < guards_max; i++) {
		watcher.watched[i].guard = &watcher.self.region->guards[i];
		watcher.watched[i].index = i;
		watcher.watched[i].followed = (struct followed){ .pidfd = -1, .wchan = -1 };
	}
	watcher.epoll = sys_epoll_create();
	add_to_epoll(FD_CONTROL, SYS_EPOLLIN, WAKE_CONTROL);
	add_to_epoll(high_events(), SYS_EPOLLIN, WAKE_HIGH);
	add_to_epoll(watcher.self.agent, SYS_EPOLLIN, WAKE_AGENT);
	role_hurry(&watcher.self);
	threshold_start(guards_max);
	sleepers_start();
	role_ready(&watcher.self);
	for (;;) {
		int n = sys_epoll_wait(watcher.epoll, events, 16, timeout_ms);
		uint64_t now_ns = sys_now_ns();

		watcher.guards = shared_load(&watcher.self.region->guards_used);
		take_events(events, n, now_ns);
		watch_hear_late(now_ns);
		if (!agent_dead && sys_pidfd_dead(watcher.self.agent)) {
			agent_dead = 1;
			sys_close(watcher.self.agent);
		}
		if (ending_is_over(agent_dead))
			break;
		watcher.is_ending = agent_dead || shared_load(&watcher.self.region->stop);
		timeout_ms = turn(now_ns);
		/* model: watcher_beats */
		shared_store(&watcher.self.me->turned_ns, now_ns);
		shared_store(&watcher.self.me->beat_ns, sys_now_ns());
		if (watcher.is_ending)
			timeout_ms = watcher_sooner(timeout_ms, WATCH_TICK_MS);
	}
	if (agent_dead)
		ending_last_one();
	/* The ledger is the last owner's to remove. */
	role_end(&watcher.self, agent_dead && watcher_owns());
}
