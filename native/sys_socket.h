/* SPDX-License-Identifier: MIT */
/* Thin wrappers of the system calls on sockets; as sys.h. */
#ifndef RPV_SYS_SOCKET_H
#define RPV_SYS_SOCKET_H

#include "sys.h"
#include <linux/netlink.h>
#include <linux/un.h>

enum {
	SYS_AF_UNIX = 1,
	SYS_AF_NETLINK = 16,
	SYS_SOCK_DGRAM = 2,
	SYS_SOCK_SEQPACKET = 5,
	SYS_SOCK_NONBLOCK = 04000,
	SYS_SOL_SOCKET = 1,
	SYS_SCM_RIGHTS = 1,
	SYS_SO_RCVBUF = 8,
	SYS_SO_PEERCRED = 17,
	SYS_SO_RCVBUFFORCE = 33,
	SYS_SO_PEERPIDFD = 77,	/* Linux 6.5 */
	SYS_SO_PASSRIGHTS = 83, /* Linux 6.16 */
	SYS_MSG_PEEK = 2,
	SYS_MSG_DONTWAIT = 0x40,
	SYS_MSG_NOSIGNAL = 0x4000,
	SYS_MSG_TRUNC = 0x20,
	SYS_MSG_CTRUNC = 8,
	SYS_EPOLLHUP = 0x10
};

struct sys_ucred {
	uint32_t pid;
	uint32_t uid;
	uint32_t gid;
};
struct sys_iovec {
	void *base;
	size_t len;
};
struct sys_msghdr {
	void *name;
	uint32_t name_len;
	struct sys_iovec *iov;
	size_t iovs;
	void *control;
	size_t control_len;
	uint32_t flags;
};
/* A control message with two descriptors, CMSG_SPACE(8). */
struct sys_two_fds {
	size_t len;
	int level;
	int type;
	int fds[2];
};

static inline int sys_socket_seqpacket(void)
{
	return (int)SYS3(socket, SYS_AF_UNIX, SYS_SOCK_SEQPACKET | SYS_CLOEXEC | SYS_SOCK_NONBLOCK,
			 0);
}
static inline int sys_socket_datagram(void)
{
	return (int)SYS3(socket, SYS_AF_UNIX, SYS_SOCK_DGRAM | SYS_CLOEXEC | SYS_SOCK_NONBLOCK, 0);
}
static inline int sys_bind(int fd, const struct sockaddr_un *at)
{
	return (int)SYS3(bind, fd, at, sizeof(*at));
}
static inline int sys_socket_netlink(int protocol)
{
	return (int)SYS3(socket, SYS_AF_NETLINK, SYS_SOCK_DGRAM | SYS_CLOEXEC | SYS_SOCK_NONBLOCK,
			 protocol);
}
static inline int sys_bind_netlink(int fd, const struct sockaddr_nl *at)
{
	return (int)SYS3(bind, fd, at, sizeof(*at));
}
static inline int sys_connect(int fd, const struct sockaddr_un *at)
{
	return (int)SYS3(connect, fd, at, sizeof(*at));
}
static inline int sys_listen(int fd, int backlog) { return (int)SYS2(listen, fd, backlog); }
static inline int sys_accept(int fd)
{
	return (int)SYS4(accept4, fd, 0, 0, SYS_CLOEXEC | SYS_SOCK_NONBLOCK);
}
static inline int sys_getsockopt(int fd, int option, void *value, uint32_t size)
{
	return (int)sys_call(__NR_getsockopt, fd, SYS_SOL_SOCKET, option, (long)value, (long)&size,
			     0);
}
static inline int sys_setsockopt(int fd, int option, int value)
{
	return (int)sys_call(__NR_setsockopt, fd, SYS_SOL_SOCKET, option, (long)&value,
			     sizeof(value), 0);
}
static inline long sys_sendmsg(int fd, const struct sys_msghdr *msg)
{
	return SYS3(sendmsg, fd, msg, SYS_MSG_DONTWAIT | SYS_MSG_NOSIGNAL);
}
static inline long sys_peekmsg(int fd, struct sys_msghdr *msg)
{
	return SYS3(recvmsg, fd, msg, SYS_MSG_DONTWAIT | SYS_MSG_PEEK);
}
static inline long sys_recvmsg(int fd, struct sys_msghdr *msg)
{
	return SYS3(recvmsg, fd, msg, SYS_MSG_DONTWAIT);
}

#endif
