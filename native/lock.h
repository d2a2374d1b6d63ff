/* SPDX-License-Identifier: MIT */
/*
 * The lock against a second reprieve: an OFD write lock (fcntl(2)) on a whole file, a group's
 * memory.oom_control or a ledger. It lives as long as any process that holds the open file.
 */
#ifndef RPV_LOCK_H
#define RPV_LOCK_H

/* 0; -EAGAIN: somebody else holds it; or -errno. The file must be open for writing. */
int lock_take(int fd);
/* Does somebody hold it, by another open of the file than fd? */
int lock_is_held(int fd);

#endif
