/* SPDX-License-Identifier: MIT */
/* The process connector: netlink(7), linux/cn_proc.h. */
#include "proc_events.h"
#include "limits.h"
#include "sys_socket.h"
#include "text.h"
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

/* As the kernel sends it: one event a message. */
struct message {
	struct nlmsghdr head;
	struct cn_msg connector;
	uint8_t event[sizeof(struct proc_event)]; /* unaligned */
};

/* A later kernel may have more behind it. */
struct received {
	struct message message;
	uint8_t more[180];
};

/* The first form, of four bytes: all kernels know it. */
struct request {
	struct nlmsghdr head;
	struct cn_msg connector;
	uint32_t listen;
};

_Static_assert(sizeof(struct message) == 16 + 20 + 40, "as on the wire");

/* Bytes of one that the kernel has sent; 0: somebody else has; -errno. */
static long receive(int fd, struct received *received)
{
	struct sockaddr_nl from = { 0 };
	struct sys_iovec in = { received, sizeof(*received) };
	struct sys_msghdr msg = { .name = &from, .name_len = sizeof(from), .iov = &in, .iovs = 1 };
	long n = sys_recvmsg(fd, &msg);

	return n < 0 || !from.nl_pid ? n : 0;
}

static int is_event(const struct message *m, long n)
{
	return n >= (long)sizeof(*m) && m->head.nlmsg_len >= sizeof(*m) &&
	       m->head.nlmsg_len <= (unsigned long)n && m->connector.id.idx == CN_IDX_PROC &&
	       m->connector.id.val == CN_VAL_PROC && m->connector.len >= sizeof(m->event);
}

void proc_events_parse(const void *message, long n, struct proc_event_told *told)
{
	struct proc_event event;

	*told = (struct proc_event_told){ 0 };
	if (!is_event(message, n))
		return;
	memcpy(&event, ((const struct message *)message)->event, sizeof(event));
	if (event.what == PROC_EVENT_FORK &&
	    event.event_data.fork.child_pid == event.event_data.fork.child_tgid) {
		told->what = PROC_BORN;
		told->pid = (uint32_t)event.event_data.fork.child_tgid;
		told->parent = (uint32_t)event.event_data.fork.parent_tgid;
	} else if (event.what == PROC_EVENT_EXEC) {
		told->what = PROC_EXEC;
		told->pid = (uint32_t)event.event_data.exec.process_tgid;
	} else if (event.what == PROC_EVENT_EXIT &&
		   event.event_data.exit.process_pid == event.event_data.exit.process_tgid) {
		told->what = PROC_EXITED;
		told->pid = (uint32_t)event.event_data.exit.process_tgid;
	}
}

int proc_events_next(int fd, struct proc_event_told *told)
{
	struct received received;
	long n = receive(fd, &received);

	if (n < 0)
		return (int)n;
	proc_events_parse(&received, n, told);
	return 0;
}

/* The answer comes at once, behind what has happened meanwhile. */
static int is_answered(int fd)
{
	for (int i = 0; i < PROC_EVENTS_A_TURN; i++) {
		struct received r;
		struct proc_event event;
		long n = receive(fd, &r);

		if (n < 0)
			return (int)n == -EAGAIN ? -ENOMSG : (int)n;
		if (!is_event(&r.message, n))
			continue;
		memcpy(&event, r.message.event, sizeof(event));
		if (event.what == PROC_EVENT_NONE)
			return -(int)event.event_data.ack.err;
	}
	return -ENOMSG;
}

static int ask(int fd)
{
	struct request request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = NLMSG_DONE },
		.connector = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(request.listen) },
		.listen = PROC_CN_MCAST_LISTEN,
	};
	struct sys_iovec out = { &request, sizeof(request) };
	long n = sys_sendmsg(fd, &(struct sys_msghdr){ .iov = &out, .iovs = 1 });

	return n < 0 ? (int)n : is_answered(fd);
}

int proc_events_open(void)
{
	struct sockaddr_nl group = { .nl_family = SYS_AF_NETLINK, .nl_groups = CN_IDX_PROC };
	int fd = sys_socket_netlink(NETLINK_CONNECTOR);
	int err = fd < 0 ? fd : sys_bind_netlink(fd, &group);

	if (err >= 0 && sys_setsockopt(fd, SYS_SO_RCVBUFFORCE, PROC_EVENTS_BYTES))
		sys_setsockopt(fd, SYS_SO_RCVBUF, PROC_EVENTS_BYTES); /* as much as is allowed */
	if (err >= 0)
		err = ask(fd);
	if (err < 0 && fd >= 0)
		sys_close(fd);
	return err < 0 ? err : fd;
}
