/* SPDX-License-Identifier: MIT */
/* Who has connected to the door. What a client says of itself, or offers, is not asked for. */
#include "door.h"
#include "procfs.h"
#include "sys_socket.h"
#include "text.h"

enum { OVERFLOW_UID = 65534, PATH_EMPTY = 0x1000 /* AT_EMPTY_PATH */ };

/* Foreign users of a user namespace all look like this one (/proc/sys/kernel/overflowuid). */
static uint32_t overflow_uid(void)
{
	char buf[16];
	const char *at = buf;
	int fd = sys_open("/proc/sys/kernel/overflowuid", O_RDONLY);
	long n = fd < 0 ? fd : sys_read(fd, buf, sizeof(buf));

	if (fd >= 0)
		sys_close(fd);
	return n > 0 ? (uint32_t)text_number(&at, buf + n) : OVERFLOW_UID;
}

/* Before Linux 6.5: by pid. Whoever has got it since the connection was made is younger than our turn, unless he got
 * it before; then he is at least the same user's. */
static int pin_by_pid(uint32_t pid, uint32_t uid, uint64_t turn_ns, uint64_t *start_time)
{
	struct procfs_uids uids;
	int pidfd = sys_pidfd_open((int)pid);

	if (pidfd < 0)
		return pidfd;
	if (procfs_was_there(*start_time, turn_ns) && !procfs_read_uids(pid, &uids) &&
	    (uids.real == uid || uids.saved == uid))
		return pidfd;
	sys_close(pidfd);
	return -ESRCH;
}

int peer_pin(struct peer *peer, int fd)
{
	uint64_t turn_ns = sys_boot_ns();
	struct sys_ucred cred;
	int err = sys_getsockopt(fd, SYS_SO_PEERCRED, &cred, sizeof(cred));

	*peer = (struct peer){ .pidfd = -1, .pid = cred.pid, .uid = cred.uid };
	if (err || cred.pid <= 1) /* 0: of a pid namespace that we do not see into */
		return err ? err : -ESRCH;
	err = sys_getsockopt(fd, SYS_SO_PEERPIDFD, &peer->pidfd, sizeof(peer->pidfd));
	if (err)
		peer->pidfd = -1;
	if (err != -ENOPROTOOPT && err)
		return err;
	if (err) {
		err = procfs_start_time(cred.pid, &peer->start_time);
		peer->pidfd =
			err ? err : pin_by_pid(cred.pid, cred.uid, turn_ns, &peer->start_time);
		if (peer->pidfd < 0)
			return peer->pidfd;
	}
	/* Alive behind this reading, it is whose start time this is. */
	err = procfs_start_time(cred.pid, &peer->start_time);
	if (!err && sys_pidfd_dead(peer->pidfd))
		err = -ESRCH;
	if (err)
		peer_unpin(peer);
	return err;
}

void peer_unpin(struct peer *peer)
{
	if (peer->pidfd >= 0)
		sys_close(peer->pidfd);
	peer->pidfd = -1;
}

int peer_has_thread(const struct peer *peer, uint32_t tid)
{
	char path[64];
	struct text t = text_on(path, sizeof(path));
	int fd;

	text_add(&t, "/proc/");
	text_add_number(&t, peer->pid);
	text_add(&t, "/task/");
	text_add_number(&t, tid);
	fd = sys_open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return 0;
	sys_close(fd);
	return !sys_pidfd_dead(peer->pidfd);
}

int peer_may(const struct peer *peer, int dir)
{
	struct statx st;

	if (peer->uid == overflow_uid() || sys_statx(dir, "", PATH_EMPTY, STATX_UID, &st))
		return 0;
	return peer->uid == 0 || peer->uid == st.stx_uid;
}
