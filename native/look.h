/* SPDX-License-Identifier: MIT */
/* The role "look": what a handler would see, and whom it would kill, now. Guards nothing and changes nothing. */
#ifndef RPV_LOOK_H
#define RPV_LOOK_H

/* Of each guard of the region that is wanted; then it ends. */
int look_run(void);

#endif
