/* SPDX-License-Identifier: MIT */
/* The role "hook": AGENT PROGRAM ARGV0 ARGS ... */
#ifndef RPV_HOOK_H
#define RPV_HOOK_H

int hook_run(char **args, char **env);

#endif
