/* SPDX-License-Identifier: MIT */
/* The role "as": becomes a program of another user's. */
#ifndef RPV_AS_USER_H
#define RPV_AS_USER_H

/* args: UID GID PROGRAM ARGV0 ARGS ... Does not return where it succeeds; else an exit code. */
int as_user_run(char **args, char **env);

#endif
