/* SPDX-License-Identifier: MIT */
/* The lock against a second reprieve. */
#include "lock.h"
#include "sys.h"

int lock_take(int fd)
{
	struct flock whole = { .l_type = F_WRLCK };
	int err = sys_fcntl(fd, F_OFD_SETLK, &whole);

	return err == -EACCES ? -EAGAIN : err;
}

int lock_is_held(int fd)
{
	struct flock whole = { .l_type = F_WRLCK };

	return !sys_fcntl(fd, F_OFD_GETLK, &whole) && whole.l_type != F_UNLCK;
}
