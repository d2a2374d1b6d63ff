/* SPDX-License-Identifier: MIT */
/* A kill as the kernel's OOM killer would make it, where it cannot be had. */
#ifndef RPV_KERNEL_RULE_H
#define RPV_KERNEL_RULE_H

#include "region.h"

/*
 * Kills whom the kernel would (mm/oom_kill.c, oom_badness()): the process of the group and below with most memory, swap
 * and page tables, plus oom_score_adj thousandths of `limit_bytes`; with memory.oom.group its whole group
 * (mem_cgroup_get_oom_group()). Opens files: never in a full group. 0; -ESRCH: nobody may be killed; -errno.
 * `killed` gets pid, comm, bytes and start_time of the one chosen.
 */
int kernel_rule_kill(int dir, uint64_t limit_bytes, struct log_record *killed);

/* Kills everybody in the group at `dir` and below, but those at -1000. 0 or -errno. */
int kernel_rule_kill_group(int dir);

#endif
