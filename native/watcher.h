/* SPDX-License-Identifier: MIT */
/*
 * The watchers: two processes of the same program, "watchdog" and "spare". One of them owns the
 * switch of all guards; the other one only looks whether the owner does its work, and takes over
 * when it is dead or silent.
 */
#ifndef RPV_WATCHER_H
#define RPV_WATCHER_H

#include "memcg.h"
#include "rest.h"
#include "role.h"
#include "verdict.h"

/* The designated handler of a guard, pinned. */
struct followed {
	uint32_t pid; /* as the door wrote it; 0: nobody */
	uint32_t tid;
	uint32_t uid;
	int pidfd; /* -1: dead */
	int wchan; /* of the thread named; -1: none */
	uint64_t start_time;
	char comm[COMM_BYTES];
};

/* What each turn reads of all comes first (struct guard). */
struct watched {
	_Alignas(64) struct guard *guard;
	uint32_t index;
	enum guard_state state; /* as the owner sees it */
	_Bool attached;
	_Bool fired;	     /* the OOM event came, and has not been looked at */
	_Bool has_come_near; /* the same of the margin's, or memory.high or memory.max was written */
	_Bool awaits_threshold; /* it is being set */
	/* as the owner sees it */
	_Bool is_blind;	     /* its counters could not be opened */
	_Bool yielded;	     /* to who did so; v1: until the group is far from its limit */
	_Bool under_oom;     /* its own or an ancestor's, when last looked at */
	_Bool is_calm;	     /* nothing to see until an event */
	_Bool is_over_high;  /* v2: where high_target would be: not yet to be held */
	_Bool handed_over;   /* in this incident, by us */
	_Bool has_relieved;  /* in this incident, who is designated, and that was told */
	_Bool is_far;	     /* outside the margin, when last looked at */
	uint32_t looks_done; /* looks_asked, when last looked at */
	uint64_t deaf_ns;    /* v2: no event of it wakes us until then; 0: the next one does */
	struct followed followed;
	struct memcg memcg;
	int oom_event;
	int near_event;
	int pressure_event; /* reclaim fails in the group; 0: not asked for yet, -errno */
	int wants_pressure; /* v2: it is time to ask for that */
	int move_to; /* cgroup.procs of the group that the order "move" names; 0: none, -errno */
	int high_watch[2]; /* cgroup v2: inotify's, of memory.high and memory.max */
	/* as the owner sees it */
	uint32_t
		counted_word; /* the incident of which kills_at_open is; a closed one: what comes next's */
	uint32_t yield_ms; /* v2: yielded for so long, twice as long each time */
	uint64_t yielded_ns;
	uint64_t due_ns;    /* an attach, or a threshold, that failed is not tried again before */
	uint64_t tried_ns;  /* in OOM since */
	uint32_t tried_pid; /* who is to resolve this incident; 0: ours */
	uint32_t spent_ms;  /* of the minute's budget, as of spent_ns */
	uint64_t spent_ns;
	uint64_t free_ns;    /* nobody waits since; 0: somebody does */
	uint64_t outside_ns; /* outside the margin since; 0: inside */
	uint64_t stale_ns;   /* somebody sleeps in its OOM though there is room, since; 0: nobody */
	uint64_t
		ticked_ns; /* v1: last looked at for starvation; v2: its pressure was told; 0: not yet */
	uint32_t starved; /* ticks in a row in which it was full and could not reclaim */
	uint32_t near_ms; /* the time to the next look at it near its limit */
	uint32_t woken;	  /* times that somebody was woken, and has made no room since */
	/* cgroup v2 (high.c) */
	uint64_t high_before, high_target; /* of the hold to come */
	uint64_t stuck_ns; /* a charge failed since the kernel's last kill; 0: none */
	uint32_t kills_seen, ooms_seen;
};

struct watcher {
	struct role_self self;
	struct watched *watched; /* guards_max */
	uint32_t guards;
	uint8_t *restless; /* by tree: somebody in it is, or may be, in OOM */
	int epoll;
	int handler; /* pidfds; -1: none known */
	int other;   /* the other watcher */
	int door;
	int handler_wchan; /* of its responder */
	uint32_t handler_pid;
	uint32_t other_pid;
	int is_any_deaf;  /* v2 */
	int is_any_open;  /* of the guards, an incident */
	int is_any_near;  /* not the owner: a held group of v1 */
	int is_ending;	  /* the agent is dead, or wants all to end */
	struct rest rest; /* the owner's, from guards that nothing calls for */
	uint64_t near_ns; /* not the owner: when held groups were last looked at */
	uint32_t door_pid;
	uint64_t event_ns; /* a kernel event the owner must show to have seen; 0: none */
	uint64_t
		oversaw_ns; /* when it was last looked at for that, or for an open incident; 0: there is neither */
	uint64_t beat_ns;   /* its beat then */
	uint64_t silent_ns; /* has not moved for so long */
	uint64_t again_ns;  /* slow work that could not be done is not tried again before */
	uint64_t defers_ns; /* has slow work, and lets the other go first, since; 0: it has not */
};

extern struct watcher watcher;

_Noreturn void watcher_run(enum role role, const char *run_dir, char **groups);
/* Do we still own the switch? Asked before every write of it. */
int watcher_owns(void);
void watcher_wake_other(void);
/* Wakes for the death of the process behind a pidfd. */
void watcher_listen(int pidfd);

enum role watcher_other_role(void);

/* Of two timeouts; -1: none. */
static inline int watcher_sooner(int a_ms, int b_ms)
{
	return a_ms < 0 ? b_ms : b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

/* Rounded up: it must not spin. */
static inline int watcher_ms_until(uint64_t then_ns, uint64_t now_ns)
{
	return 1 + (then_ns > now_ns ? (int)((then_ns - now_ns) / 1000000) : 0);
}

/* watch_hear.c: the OOM event of a guard has come. */
void watch_hear_event(struct watched *w, uint64_t now_ns);
/* v2: who was deaf hears what came meanwhile. */
void watch_hear_late(uint64_t now_ns);
/* In how many ms the next one has to; -1: an event wakes. */
int watch_hear_next_ms(uint64_t now_ns);

/* oversee.c: not the owner: is the owner at work? Takes over where it is not. Returns in how many ms to look again,
 * -1: at the next event. */
int oversee_owner(uint64_t now_ns, int peer_alive);
/* A held group of v1: an OOM of it may come without an event. */
int oversee_is_near(const struct watched *w);

/*
 * slow_work.c: of the guard; one watcher is awake at any time: the one that does not own the switch goes first, the owner when that has
 * done, or is dead, or has not begun after OTHER_FIRST_MS. Returns in how many ms to look again, -1: at the next event.
 */
int slow_work_see_to(uint64_t now_ns, int peer_alive, int is_any_wanted);
int slow_work_is_wanted(const struct watched *w);

/* ending.c: is everything back as it was? By us or, when we do not own the switch, by the owner. */
int ending_is_over(int agent_dead);
/* The agent is dead: ends helpers that were stopped, and stays for the groups that reprieve made until they are empty. */
void ending_last_one(void);

/* watch_open.c: opens and closes a guard. */
int watch_attach(struct watched *w);
/* Asks for events of its pressure; on v2 slow work, when it is cramped. */
void watch_pressure(struct watched *w, int is_cramped);
void watch_detach(struct watched *w);
/* Closes it for good. When every role has, the owner makes the guard free for another group. */
void watch_let_go(struct watched *w);
void watch_make_free(struct guard *guard);
/* watch.c: finds out where a guard stands. */
void watch_resume(struct watched *w);
/* watch_look.c: reads what the kernel says; forgets what reclaim has signalled so far. */
struct look watch_take_look(struct watched *w, uint64_t now_ns);
void watch_forget_starvation(struct watched *w, uint64_t now_ns);
static inline uint32_t watch_ms_since(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns && now_ns > then_ns ? (uint32_t)((now_ns - then_ns) / 1000000) : 0;
}
/* Is the guard in OOM, or may it be, so that each of its tree has to be looked at? */
int watch_is_restless(const struct watched *w);
/* Did an event come that is news, or was a look asked for? */
int watch_is_called(const struct watched *w);
/* Is there anything to see? A quiet guard of a quiet tree is left alone: there may be a thousand. */
int watch_is_due(const struct watched *w);
/* One look. Returns in how many ms to look again, -1: at the next event. */
int watch_look(struct watched *w);
/* The agent wants nothing of it any more: gives it back as it was found, unless it is gone. */
void watch_leave(struct watched *w);
/* Gives the group back as it was found. */
void watch_put_back(struct watched *w, enum reason reason);

/* watch_incident.c: opens the incident of w->state, unless another role has; closes the open
 * one. */
void watch_open_incident(struct watched *w, enum cause cause, uint64_t now_ns);
void watch_close_incident(struct watched *w, int unrelieved);
/* Why the open incident is handed over, or is the kernel's from the start: in the region, for who takes over in the
 * middle. */
void watch_set_reason(struct watched *w, enum reason reason);
/* Logs a step of the guard, with the open incident's number. */
void watch_tell(const struct watched *w, enum step step, uint32_t arg, int result);

/* switch.c: writes it, if it is still ours to write; a watcher that was stopped may have lost it a moment
 * ago. 0 or -errno, -EAGAIN when lost. */
enum switch_to { SWITCH_HOLD, SWITCH_LET_GO, SWITCH_WAKE };
int switch_write(struct watched *w, enum switch_to to);
/* Walks the descendants: a child made while the killer was off inherits that, and keeps it when we switch it on
 * again. Unless a guard of its own answers for it, it gets it back. Slow where there are many. */
void switch_do_chores(struct watched *w);
/* Changes when that has to be done again; guard->chores_done says for which value it was. */
uint32_t switch_chores(const struct guard *guard);
/* Kernel kills in the group's descendants: each is counted where the victim lived only. Walks the tree. */
uint32_t switch_kills_below(const struct watched *w);

#endif
