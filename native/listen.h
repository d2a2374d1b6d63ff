/* SPDX-License-Identifier: MIT */
/* The socket at which the door listens, made by the agent: it outlives a door that dies. */
#ifndef RPV_LISTEN_H
#define RPV_LISTEN_H

#include <stdint.h>

/*
 * Listens at `dir`/`name` with that mode. A descriptor; -EADDRINUSE: somebody listens there; -EEXIST: it is there and no
 * socket; -EPERM: others than we and root may write to the directory; or another -errno.
 */
int listen_at(const char *dir, const char *name, uint32_t mode);
/* Gives a socket that listens in `dir` another name, unless somebody listens there. 0 or -errno as above. */
int listen_rename(const char *dir, const char *from, const char *to);

#endif
