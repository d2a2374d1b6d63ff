/* SPDX-License-Identifier: MIT */
/* The role "join": a command, started inside a group. */
#ifndef RPV_JOIN_H
#define RPV_JOIN_H

/* GROUP ... -- CMD ARGS ...: joins each group, then becomes CMD (an absolute path) with the
 * given environment. Returns an exit code only when it cannot: 125 no group, 126 not
 * executable, 127 not found. */
int join_run(char **args, char **env);

#endif
