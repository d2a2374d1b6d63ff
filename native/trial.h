/* SPDX-License-Identifier: MIT */
/*
 * Hop 4b: who handles a guard, and whether he still can. Followed by both watchers, judged by the owner of the switch.
 *
 * A handler that is not ours owes no word: that it is dead, has resigned, or sleeps in the very OOM it is to resolve
 * is seen from outside.
 */
#ifndef RPV_TRIAL_H
#define RPV_TRIAL_H

#include "watcher.h"

/* Follows who is designated for the guard. Opens files: quiet turns too. */
void trial_follow(struct watched *w);
/* Is a handler at work on this guard, ours or a designated one? */
int trial_is_fit(const struct watched *w);
/* An incident begins: who is designated now has to see it through. */
void trial_begin(struct watched *w, uint64_t now_ns);
/* Tells whose it is, where that is not our handler, which tells of itself. */
void trial_tell(const struct watched *w);
/* The OOM lasts no longer: what it took is taken off the guard's budget. */
void trial_pause(struct watched *w, uint64_t now_ns);
/* The verdict now: enum reason, or REASON_NONE to let the handler go on. */
enum reason trial_judge(struct watched *w, uint64_t now_ns);
/* How many ms until the time is up; 0: it is. */
uint32_t trial_left_ms(const struct watched *w, uint64_t now_ns);
/* Ends the handler that has lost its trial: ours, or, as long as it is still its own user's, the designated one. 0 or
 * -errno. */
int trial_kill(const struct watched *w);

#endif
