/* SPDX-License-Identifier: MIT */
/* One connection to the door: taken, heard once, answered, cut off. */
#include "door.h"
#include "sys_socket.h"
#include "text.h"

static const char *const why[] = {
	[REFUSED_MALFORMED] = "this is no message of the protocol",
	[REFUSED_VERSION] = "this reprieve speaks another version of the protocol",
	[REFUSED_BUSY] = "too many connections that have not designated a handler yet",
	[REFUSED_SLOW] = "no message within a second",
	[REFUSED_UNKNOWN_PEER] =
		"your process cannot be pinned: it is dead, is pid 1, or lives in a "
		"pid namespace that reprieve does not see",
	[REFUSED_NO_GUARD] = "no armed guard has this name (the feed's `guard`)",
	[REFUSED_NOT_OWNER] = "only the owner of the group's directory, or root, may answer for it",
	[REFUSED_TAKEN] = "another handler answers for it, and lives",
	[REFUSED_TOO_SOON] = "the last handler has just gone: try again in 100 ms",
	[REFUSED_NO_THREAD] = "the essential thread is no thread of the process that connected",
	[REFUSED_NO_RESOURCES] =
		"the group cannot be watched: it is gone, or memory or descriptors are",
};

void client_refuse(int fd, enum designate_refusal refusal)
{
	struct designate_answer answer = { .magic = DESIGNATE_MAGIC,
					   .version = DESIGNATE_VERSION,
					   .type = DESIGNATE_REFUSED,
					   .refusal = refusal };
	struct sys_iovec iov = { &answer, sizeof(answer) };
	struct text t = text_on(answer.text, sizeof(answer.text));

	text_add(&t, why[refusal]);
	sys_sendmsg(fd, &(struct sys_msghdr){ .iov = &iov, .iovs = 1 });
}

void client_close(struct client *c, enum reason reason)
{
	if (c->entry)
		designation_end(c->entry, reason);
	peer_unpin(&c->peer); /* closing takes both off the epoll */
	closing_close(c->fd);
	c->fd = -1;
}

static struct client *free_slot(uint32_t uid)
{
	struct client *slot = NULL;
	uint32_t of_uid = 0, pending = 0;

	for (uint32_t i = 0; i < door.clients_max; i++) {
		struct client *c = &door.clients[i];

		if (c->fd < 0) {
			slot = c;
		} else if (!c->entry) {
			pending++;
			of_uid += c->peer.uid == uid;
		}
	}
	return pending < DOOR_PENDING_MAX && of_uid < DOOR_PENDING_OF_UID_MAX ? slot : NULL;
}

/* Its messages, and its process's death. */
static int listen_to(const struct client *c)
{
	struct sys_epoll_event ev = { SYS_EPOLLIN, c->index };
	int err = sys_epoll_ctl(door.epoll, SYS_EPOLL_ADD, c->fd, &ev);

	return err ? err : sys_epoll_ctl(door.epoll, SYS_EPOLL_ADD, c->peer.pidfd, &ev);
}

void client_accept(void)
{
	struct peer peer;
	struct client *c;
	int fd = sys_accept(FD_LISTEN);

	if (fd < 0)
		return;
	door.accepted++;
	if (peer_pin(&peer, fd)) {
		client_refuse(fd, REFUSED_UNKNOWN_PEER);
		closing_close(fd);
		return;
	}
	c = free_slot(peer.uid);
	if (!c) {
		client_refuse(fd, REFUSED_BUSY);
		peer_unpin(&peer);
		closing_close(fd);
		return;
	}
	c->fd = fd;
	c->peer = peer;
	c->entry = NULL;
	c->due_ns = sys_now_ns() + DOOR_SILENT_MS * 1000000ull;
	if (listen_to(c))
		client_close(c, REASON_NONE);
}

/* The whole name field is heeded: terminated, and nothing behind it. */
static int is_name(const char *name)
{
	size_t len = 0;

	while (len < DESIGNATE_NAME_BYTES && name[len])
		len++;
	for (size_t i = len; i < DESIGNATE_NAME_BYTES; i++)
		if (name[i])
			return 0;
	return len > 0 && len < DESIGNATE_NAME_BYTES;
}

/* The next message. Descriptors that come with it are never ours: without a place for them the kernel drops them, and
 * says so; where that could take long, the message is left where it is. */
static long receive(int fd, struct designate_request *request, uint32_t *flags)
{
	struct sys_iovec iov = { request, sizeof(*request) };
	struct sys_msghdr msg = { .iov = &iov, .iovs = 1 };
	long n = closing_is_plain() ? 0 : sys_peekmsg(fd, &msg);

	if (n >= 0 && !(msg.flags & SYS_MSG_CTRUNC))
		n = sys_recvmsg(fd, &msg);
	*flags = msg.flags;
	return n;
}

/* What a message asks for. 0, or why the client is cut off. */
static enum designate_refusal hear(struct client *c)
{
	struct designate_request request;
	uint32_t flags = 0;
	long n = receive(c->fd, &request, &flags);

	if (n == -EAGAIN)
		return 0;
	if (n == 0 && !(flags & (SYS_MSG_CTRUNC | SYS_MSG_TRUNC))) {
		client_close(c, REASON_NONE); /* the other end is closed, or as good as that */
		return 0;
	}
	if (n < 8 || request.magic != DESIGNATE_MAGIC)
		return REFUSED_MALFORMED;
	if (request.version != DESIGNATE_VERSION)
		return REFUSED_VERSION;
	if (n != sizeof(request) || flags & (SYS_MSG_TRUNC | SYS_MSG_CTRUNC) || request.reserved)
		return REFUSED_MALFORMED;
	if (request.type == DESIGNATE_ME && !c->entry && is_name(request.guard))
		return designation_begin(c, &request);
	if (request.type != DESIGNATE_RESIGN || !c->entry)
		return REFUSED_MALFORMED;
	client_close(c, REASON_NONE);
	return 0;
}

void client_turn(struct client *c)
{
	enum designate_refusal refusal;

	if (c->fd < 0)
		return;
	if (sys_pidfd_dead(c->peer.pidfd)) {
		client_close(c, REASON_HANDLER_DEAD); /* though another may hold its socket */
		return;
	}
	refusal = hear(c);
	if (refusal) {
		client_refuse(c->fd, refusal);
		client_close(c, REASON_NONE);
	}
}
