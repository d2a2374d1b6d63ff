/* SPDX-License-Identifier: MIT */
/* What every long-lived role does at its start and its end. */
#ifndef RPV_ROLE_H
#define RPV_ROLE_H

#include "region.h"

struct role_self {
	enum role role;
	struct region *region;
	struct recorder *recorder; /* mapped by the handler only, else NULL */
	struct helper *me;
	struct log *log;
	const char *run_dir;	  /* NULL: none */
	char **own_groups;	  /* cgroup directories it lives in, NULL-terminated */
	const char *agents_group; /* the agent's, in which it was started */
	int agent;		  /* pidfd of the agent */
};

/*
 * Leaves the terminal's session, ignores its signals, maps the region (refuses another layout), opens
 * the agent's pidfd; settles at once where guards are armed already. 0 or -errno; a message has been
 * printed. `groups`: the memory group of the agent, then its own.
 */
int role_start(struct role_self *self, enum role role, const char *run_dir, char **groups);
/*
 * Joins its own groups. Joining one of cgroup v1 waits for an RCU grace period, 8 to 20 ms (measured), in
 * which the calling thread answers for nothing: at the first start it is done once the guards are armed,
 * by one watcher at a time. What cannot be joined is told, and lived without.
 */
void role_settle(struct role_self *self);
/* Is any guard armed, so that somebody must be awake? */
int role_is_armed(const struct role_self *self);
/* The guard's group, whatever it is called by now: a descriptor of its directory, or -errno. */
int role_open_group(const struct guard *guard);
/* Asked before a role opens a guard, which is not made free from then on. False: it is given up; a watcher puts it back all the
 * same. */
int role_may_attach(struct guard *guard, enum role role);
/* Touches the stack to its full depth and locks everything; the rest of the start must be done.
 * Marks ready. */
void role_ready(struct role_self *self);
/* Real-time priority for the calling thread where it is allowed, else the best nice value that
 * is. */
void role_hurry(struct role_self *self);
/* The rankings of the guards, for the handler and the door; NULL where no handler may be designated. */
struct ranking *role_rankings(const struct role_self *self);
void role_wake(int eventfd);
void role_wake_watchers(void);
/* Has the owner of the switch look at a guard of which it has no event. */
void role_ask_for_look(struct guard *guard);
/* Leaves and removes its own groups and, when `with_files`, the run directory. Does not return. */
_Noreturn void role_end(struct role_self *self, int with_files);

/* An anonymous, zeroed mapping for the life of the process; exits when there is none: before
 * "ready" only. */
void *role_memory(uint64_t bytes);
/* One line on stderr: "reprieve: WHAT NAME: errno N"; err 0: without the errno. */
void role_complain(const char *what, const char *name, int err);

#endif
