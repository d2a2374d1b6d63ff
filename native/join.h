/* SPDX-License-Identifier: MIT */
/* The role "join": a command, started inside a group. */
#ifndef RPV_JOIN_H
#define RPV_JOIN_H

/*
 * AGENT GROUP ... -- PROGRAM CMD ARGS ...: joins each group, then becomes PROGRAM (an absolute path) with
 * CMD ARGS ..., the last arguments of its parent AGENT, byte by byte as that got them, and its environment.
 * Returns an exit code only when it cannot: 125 no group, 126 not executable, 127 not found.
 */
int join_run(char **args, char **env);

#endif
