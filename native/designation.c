/* SPDX-License-Identifier: MIT */
/* Who answers for a guard: begun when a client may, ended when it resigns or dies. */
#include "door.h"
#include "log.h"
#include "memcg.h"
#include "sys_socket.h"
#include "text.h"

static struct entry *find(const char *name)
{
	for (uint32_t i = 0; i < door.guards; i++) {
		struct entry *e = &door.entries[i];
		const struct guard *g = e->guard;
		uint32_t state = shared_load(&g->state);

		if (e->dir >= 0 && state != GUARD_NONE && state != GUARD_GONE &&
		    text_equal(name, g->path + g->name_at))
			return e;
	}
	return NULL;
}

/* 0, or why this client may not answer for the guard. */
static enum designate_refusal judge(const struct client *c, const struct entry *e, uint32_t tid)
{
	if (!e)
		return REFUSED_NO_GUARD;
	if (!peer_may(&c->peer, e->dir))
		return REFUSED_NOT_OWNER;
	if (shared_load(&e->guard->designated.pid))
		return REFUSED_TAKEN;
	if (e->resigned_ns && sys_now_ns() < e->resigned_ns + DESIGNATE_AGAIN_MS * 1000000ull)
		return REFUSED_TOO_SOON;
	return tid && !peer_has_thread(&c->peer, tid) ? REFUSED_NO_THREAD : 0;
}

/* An event of the client's own (memcg_watch_oom()). We keep nothing of it. */
static int make_event(const struct entry *e)
{
	struct memcg m;
	int event = memcg_open(&m, sys_fcntl(e->dir, F_DUPFD_CLOEXEC, 0), 0, 0);

	if (event)
		return event;
	event = memcg_watch_oom(&m);
	memcg_close(&m);
	return event;
}

static int send_accepted(int fd, int event, int page)
{
	struct designate_answer answer = { .magic = DESIGNATE_MAGIC,
					   .version = DESIGNATE_VERSION,
					   .type = DESIGNATE_ACCEPTED,
					   .text = "accepted" };
	struct sys_two_fds fds = { .len = 16 + sizeof(fds.fds),
				   .level = SYS_SOL_SOCKET,
				   .type = SYS_SCM_RIGHTS,
				   .fds = { event, page } };
	struct sys_iovec iov = { &answer, sizeof(answer) };
	struct sys_msghdr msg = {
		.iov = &iov, .iovs = 1, .control = &fds, .control_len = sizeof(fds)
	};
	long n = sys_sendmsg(fd, &msg);

	return n == sizeof(answer) ? 0 : n < 0 ? (int)n : -EIO;
}

static void tell(const struct entry *e, enum step step, enum reason reason)
{
	log_put(door.self.log,
		(struct log_record){ .guard = e->index, .step = step, .arg = reason });
	role_wake(FD_AGENT);
	role_wake(FD_HANDLER);
	role_ask_for_look(e->guard);
}

/* The watchers pin the process by what is written here. */
static void publish(struct entry *e, const struct peer *peer, uint32_t tid)
{
	struct designated *d = &e->guard->designated;

	d->start_time = peer->start_time;
	d->uid = peer->uid;
	d->tid = tid;
	shared_store(&d->pid, peer->pid);
	tell(e, STEP_DESIGNATED, REASON_NONE);
}

/* What the client gets; -errno: nothing. */
static int make_gifts(struct entry *e, int *event, int *page)
{
	*page = page_make(&e->page);
	if (*page < 0)
		return *page;
	*event = make_event(e);
	if (*event >= 0)
		return 0;
	sys_close(*page);
	page_end(e->page);
	e->page = NULL;
	return *event;
}

/* Published before the client is told: what he has been told holds. */
enum designate_refusal designation_begin(struct client *c, const struct designate_request *request)
{
	struct entry *e = find(request->guard);
	enum designate_refusal refusal = judge(c, e, request->tid);
	int event, page, err;

	if (refusal)
		return refusal;
	if (make_gifts(e, &event, &page))
		return REFUSED_NO_RESOURCES;
	e->client = c;
	c->entry = e;
	page_write(e);
	publish(e, &c->peer, request->tid);
	err = send_accepted(c->fd, event, page);
	sys_close(event);
	sys_close(page);
	if (!err)
		return 0;
	designation_end(e, REASON_NONE);
	return REFUSED_NO_RESOURCES;
}

void designation_end(struct entry *e, enum reason reason)
{
	shared_store(&e->guard->designated.pid, 0);
	if (e->page)
		page_end(e->page);
	if (e->client)
		e->client->entry = NULL;
	e->page = NULL;
	e->client = NULL;
	e->resigned_ns = sys_now_ns();
	tell(e, STEP_RESIGNED, reason);
}
