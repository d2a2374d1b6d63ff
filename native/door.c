/* SPDX-License-Identifier: MIT */
/* The role "door": the loop, one blocking call; no timer while nobody is expected to say something. */
#include "door.h"
#include "log.h"
#include "sys_socket.h"

enum { WAKE_CONTROL = 1u << 24, WAKE_AGENT, WAKE_LISTEN, EVENTS_MAX = 16, BOUND_MS = 1000000 };

struct door door;

static void add_to_epoll(int fd, uint64_t data)
{
	struct sys_epoll_event ev = { SYS_EPOLLIN, data };

	sys_epoll_ctl(door.epoll, SYS_EPOLL_ADD, fd, &ev);
}

/* The group is gone: its handler has nothing left to answer for. */
static void let_go(struct entry *e)
{
	if (e->client)
		client_close(e->client, REASON_GROUP_GONE);
	if (e->dir >= 0)
		sys_close(e->dir);
	e->dir = -1;
	e->resigned_ns = 0;
	shared_store(&e->guard->attached[ROLE_DOOR], 0);
	role_wake_watchers();
	role_wake(FD_AGENT);
}

/* Opens the groups that are to be guarded, and holds their directories: a name may be another's tomorrow. */
static void follow_wants(uint64_t now_ns)
{
	for (uint32_t i = 0; i < door.guards; i++) {
		struct entry *e = &door.entries[i];
		uint32_t want = shared_load(&e->guard->want);

		if (want == WANT_GIVEN_UP && shared_load(&e->guard->attached[ROLE_DOOR]))
			let_go(e);
		if (e->dir >= 0 || (want != WANT_ATTACHED && want != WANT_ARMED) ||
		    now_ns < e->due_ns || shared_load(&e->guard->state) == GUARD_GONE ||
		    !role_may_attach(e->guard, ROLE_DOOR))
			continue;
		e->dir = role_open_group(e->guard);
		e->due_ns = now_ns + ATTACH_AGAIN_MS * 1000000ull;
		shared_store(&e->guard->attached[ROLE_DOOR], e->dir < 0 ? e->dir : 1);
		role_wake(FD_AGENT);
	}
}

/* The designations of a door that has died: who resigns now is not heard. They end between two incidents. */
static int end_orphans(void)
{
	int left = 0;

	for (uint32_t i = 0; i < door.guards; i++) {
		struct entry *e = &door.entries[i];

		if (e->client || !shared_load(&e->guard->designated.pid))
			continue;
		if (incident_is_open(shared_load(&e->guard->incident)))
			left = 1;
		else
			designation_end(e, REASON_NONE);
	}
	return left;
}

/* Cuts off who says nothing. Returns when to look again; UINT64_MAX: nobody is expected to speak. */
static uint64_t cut_off_silent(uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < door.clients_max; i++) {
		struct client *c = &door.clients[i];

		if (c->fd < 0 || c->entry)
			continue;
		if (now_ns >= c->due_ns) {
			client_refuse(c->fd, REFUSED_SLOW);
			client_close(c, REASON_NONE);
		} else if (c->due_ns < next_ns) {
			next_ns = c->due_ns;
		}
	}
	return next_ns;
}

/* A flood of connections costs its share of a tick; the others wait in the kernel's queue. */
static void open_for_more(uint64_t now_ns)
{
	int is_new_tick = now_ns >= door.tick_ns + DOOR_TICK_MS * 1000000ull;

	if (is_new_tick) {
		door.tick_ns = now_ns;
		door.accepted = 0;
	}
	if (door.accepted >= DOOR_ACCEPTS_MAX && door.is_listening) {
		sys_epoll_ctl(door.epoll, SYS_EPOLL_DEL, FD_LISTEN, 0);
		door.is_listening = 0;
	} else if (is_new_tick && !door.is_listening) {
		add_to_epoll(FD_LISTEN, WAKE_LISTEN);
		door.is_listening = 1;
	}
}

static void take_events(const struct sys_epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		uint32_t data = (uint32_t)events[i].data;
		uint64_t count;

		if (data == WAKE_CONTROL)
			sys_read(FD_CONTROL, &count, sizeof(count));
		else if (data == WAKE_LISTEN)
			client_accept();
		else if (data < WAKE_CONTROL)
			client_turn(&door.clients[data]);
	}
}

/* Nobody is left to guard for. */
static int is_over(int agent_dead)
{
	int over = agent_dead;

	for (uint32_t i = 0; i < door.guards && over; i++) {
		over = guard_is_over(door.entries[i].guard);
	}
	return over || shared_load(&door.self.region->stop);
}

/* One turn. Returns the next timeout. */
static int turn(uint64_t now_ns, int agent_dead)
{
	uint64_t next_ns;
	int is_waiting = end_orphans();

	follow_wants(now_ns);
	for (uint32_t i = 0; i < door.guards; i++) {
		if (door.entries[i].client)
			page_write(&door.entries[i]);
		is_waiting |= door.entries[i].dir < 0 &&
			      shared_load(&door.entries[i].guard->want) != WANT_NOTHING;
	}
	next_ns = cut_off_silent(now_ns);
	open_for_more(now_ns);
	if (agent_dead)
		return WATCH_TICK_MS; /* until all is put back */
	if (is_waiting || !door.is_listening)
		return DOOR_TICK_MS;
	return next_ns == UINT64_MAX ? -1 : (int)((next_ns - now_ns) / 1000000) + 1;
}

static void prepare(void)
{
	const uint32_t guards_max = door.self.region->guards_max;

	door.clients_max = guards_max + DOOR_PENDING_MAX;
	door.rankings = role_rankings(&door.self);
	door.entries = role_memory(sizeof(*door.entries) * guards_max);
	door.clients = role_memory(sizeof(*door.clients) * door.clients_max);
	for (uint32_t i = 0; i < guards_max; i++) {
		door.entries[i].guard = &door.self.region->guards[i];
		door.entries[i].index = i;
		door.entries[i].dir = -1;
	}
	for (uint32_t i = 0; i < door.clients_max; i++) {
		door.clients[i].index = i;
		door.clients[i].fd = -1;
	}
	door.epoll = sys_epoll_create();
	door.is_listening = 1;
	add_to_epoll(FD_CONTROL, WAKE_CONTROL);
	add_to_epoll(FD_LISTEN, WAKE_LISTEN);
	add_to_epoll(door.self.agent, WAKE_AGENT);
}

_Noreturn void door_run(const char *run_dir, char **groups)
{
	struct sys_epoll_event events[EVENTS_MAX];
	int timeout_ms = 0, agent_dead = 0;

	if (role_start(&door.self, ROLE_DOOR, run_dir, groups))
		sys_exit(70);
	prepare();
	closing_prepare();
	role_ready(&door.self);
	for (;;) {
		int n = sys_epoll_wait(door.epoll, events, EVENTS_MAX, timeout_ms);

		door.guards = shared_load(&door.self.region->guards_used);
		take_events(events, n);
		shared_store(&door.self.me->beat_ns, sys_now_ns());
		if (!agent_dead && sys_pidfd_dead(door.self.agent)) {
			agent_dead = 1;
			sys_close(door.self.agent);
		}
		if (is_over(agent_dead))
			break;
		timeout_ms = turn(sys_now_ns(), agent_dead);
		if (!door.self.me->settled && role_is_armed(&door.self))
			role_settle(&door.self);
	}
	role_end(&door.self, 0);
}
