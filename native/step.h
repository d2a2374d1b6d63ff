/* SPDX-License-Identifier: MIT */
/* Hop 3: the current order of an incident: the responder kills by itself, and asks a watcher, or the agent, for everything else. */
#ifndef RPV_STEP_H
#define RPV_STEP_H

#include "handler.h"

/* ORDER_NONE: all were tried. */
enum order step_order(const struct guarded *g);
int step_is_last(const struct guarded *g);
/* How long relief by it is waited for. */
/* From SIGTERM to SIGKILL. */
uint32_t step_grace_ms(const struct guarded *g);
uint32_t step_bound_ms(const struct guarded *g);
/* Carries it out, or asks for it. Where that cannot be done, it is over. */
void step_begin(struct guarded *g, uint64_t now_ns);
/* Takes the answer. */
void step_look(struct guarded *g, uint64_t now_ns);
/* Says what would have been done; false: that is not known yet. */
int step_observe(struct guarded *g);
/* It is late, or over: a watcher that has not begun leaves it. */
void step_leave(struct guarded *g, uint64_t now_ns);

/* Why there may be no kill any more; REASON_NONE: there may. */
enum reason step_cap(const struct guarded *g, uint64_t now_ns);
/* A kill that counts for the caps of an hour. */
void step_count_kill(struct guarded *g, uint64_t now_ns);

/* Has another do it: a watcher, or the agent. */
void step_ask_for(struct guarded *g, enum order order, uint32_t pid);

/* step_kill.c */
void step_kill(struct guarded *g);
/* SIGTERM, and when its time is over SIGKILL. */
void step_terminate(struct guarded *g, uint64_t now_ns);
int step_would_kill(struct guarded *g);
/* Whom it would be, told. 0; -EAGAIN: not known yet; -ESRCH: nobody is worth it, or it is over. */
int step_choose(struct guarded *g, struct choice *choice);

#endif
