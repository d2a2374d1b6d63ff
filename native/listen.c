/* SPDX-License-Identifier: MIT */
/* The socket at which the door listens. One that nobody listens at any more, a dead reprieve's, is replaced. */
#include "listen.h"
#include "sys_socket.h"
#include "text.h"

enum {
	BACKLOG = 64,
	LOCK_EXCLUSIVE_NOW = 2 | 4, /* LOCK_EX | LOCK_NB */
	LOCK_TRIES = 100,
	DYING_TRIES =
		30, /* the door of a reprieve that was killed a moment ago ends within 10 ms */
	AGAIN_MS = 10,
	PATH_EMPTY = 0x1000, /* AT_EMPTY_PATH */
	NO_FOLLOW = 0x100,   /* AT_SYMLINK_NOFOLLOW */
	WRITABLE_BY_OTHERS = 022,
};

/* Names what is in the directory that was checked, wherever its path leads by now. */
static struct sockaddr_un address_in(int dir, const char *name)
{
	struct sockaddr_un at = { .sun_family = SYS_AF_UNIX };
	struct text t = text_on(at.sun_path, sizeof(at.sun_path));

	text_add(&t, "/proc/self/fd/");
	text_add_number(&t, (uint64_t)dir);
	text_add(&t, "/");
	text_add(&t, name);
	return at;
}

/* Where another could write, he could put his own socket there. */
static int check_dir(int dir)
{
	struct statx st;
	int err = sys_statx(dir, "", PATH_EMPTY, STATX_UID | STATX_MODE, &st);

	if (!err && ((st.stx_uid && st.stx_uid != (uint32_t)SYS0(geteuid)) ||
		     st.stx_mode & WRITABLE_BY_OTHERS))
		err = -EPERM;
	return err;
}

/* Two reprieves that start at once could each take the other's new socket for a dead one's. */
static int lock_dir(int dir)
{
	int err = -EAGAIN;

	for (int i = 0; i < LOCK_TRIES && err == -EAGAIN; i++) {
		err = (int)SYS2(flock, dir, LOCK_EXCLUSIVE_NOW);
		if (err == -EAGAIN)
			sys_sleep_ms(AGAIN_MS);
	}
	return err;
}

static int remove_stale(int dir, const char *name, const struct sockaddr_un *at)
{
	struct statx st;
	int err = sys_statx(dir, name, NO_FOLLOW, STATX_TYPE, &st), fd;

	if (err)
		return err == -ENOENT ? 0 : err;
	if ((st.stx_mode & S_IFMT) != S_IFSOCK)
		return -EEXIST;
	fd = sys_socket_seqpacket();
	if (fd < 0)
		return fd;
	err = sys_connect(fd, at);
	sys_close(fd);
	if (err != -ECONNREFUSED)
		return -EADDRINUSE;
	return (int)SYS3(unlinkat, dir, name, 0);
}

/* Locks the directory, and frees the name of who is dead. */
static int make_free(int dir, const char *name)
{
	struct sockaddr_un at = address_in(dir, name);
	int err = check_dir(dir);

	if (!err)
		err = lock_dir(dir);
	if (!err)
		err = remove_stale(dir, name, &at);
	for (int i = 0; i < DYING_TRIES && err == -EADDRINUSE; i++) {
		sys_sleep_ms(AGAIN_MS);
		err = remove_stale(dir, name, &at);
	}
	return err;
}

static int listen_in(int dir, const char *name, uint32_t mode)
{
	struct sockaddr_un at = address_in(dir, name);
	int err = make_free(dir, name), fd;

	fd = err ? err : sys_socket_seqpacket();
	if (fd < 0)
		return fd;
	/* A descriptor that a client offers could hold the door up when it is closed (SO_LINGER): none is
	 * taken, from Linux 6.16 on. */
	sys_setsockopt(fd, SYS_SO_PASSRIGHTS, 0);
	err = sys_bind(fd, &at);
	if (!err) {
		/* Nobody can connect before it listens. */
		err = (int)SYS3(fchmodat, dir, name, mode);
		if (!err)
			err = sys_listen(fd, BACKLOG);
		if (err)
			SYS3(unlinkat, dir, name, 0);
	}
	if (err)
		sys_close(fd);
	return err ? err : fd;
}

int listen_at(const char *dir, const char *name, uint32_t mode)
{
	int fd = sys_open(dir, O_RDONLY | O_DIRECTORY), listener;

	if (fd < 0)
		return fd;
	listener = listen_in(fd, name, mode);
	sys_close(fd); /* and the lock with it */
	return listener;
}

int listen_rename(const char *dir, const char *from, const char *to)
{
	int fd = sys_open(dir, O_RDONLY | O_DIRECTORY), err;

	if (fd < 0)
		return fd;
	err = make_free(fd, to);
	if (!err)
		err = (int)SYS4(renameat, fd, from, fd, to);
	sys_close(fd);
	return err;
}
