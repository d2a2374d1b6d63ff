/* SPDX-License-Identifier: MIT */
/* The role "handle": reprieve's own handler, designated at another reprieve's door. */
#ifndef RPV_HANDLE_H
#define RPV_HANDLE_H

/* Designates itself for the guard, whose group's directory is `group`. Returns an exit code where it cannot. */
int handle_run(const char *guard, const char *group, const char *socket);

#endif
