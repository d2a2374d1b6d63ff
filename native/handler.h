/* SPDX-License-Identifier: MIT */
/*
 * The handler: a sampler thread that looks while there is memory, a responder thread that acts
 * when there is none.
 *
 * The sampler publishes, per guard, a view: the candidates with open descriptors, and the lists of
 * the groups. There are two; the sampler writes the one that is not current and then makes it
 * current. It closes descriptors of the older one only while the responder is not busy with the
 * guard.
 */
#ifndef RPV_HANDLER_H
#define RPV_HANDLER_H

#include "limits.h"
#include "memcg.h"
#include "orders.h"
#include "rank.h"
#include "record.h"
#include "rest.h"
#include "role.h"
#include "table.h"

enum { HANDLER_POKE = 1 << 30 }; /* in the place of a guard's index */

/* A process primed for the event path: everything about it is open. */
struct candidate {
	int pidfd;
	int statm;
	uint32_t pid;
	uint32_t base_pages; /* anonymous pages it held when it moved in */
	uint32_t anon_pages; /* as last sampled */
	uint8_t exempt;	     /* ours: counted, never chosen */
	uint8_t is_newborn;  /* anon_pages is what it has inherited: others hold that too */
	uint16_t percent;    /* its weight */
	uint64_t start_time;
};

struct view {
	uint64_t anon_bytes;	/* the group's own count when the candidates were sampled */
	uint64_t sampled_bytes; /* the sum over all who were sampled, primed or not */
	int64_t hidden_bytes; /* so much more the group held; below 0: its processes share pages */
	int64_t hidden_before_bytes; /* the same, one snapshot earlier */
	uint32_t unprimed_pages;     /* most that one held who is no candidate */
	uint16_t
		most_percent; /* the highest weight of them; of who is not known it is WEIGH_EVEN */
	uint16_t by;	      /* enum rank_by */
	uint32_t candidates;  /* most worth a kill first */
	uint32_t groups;
	struct candidate candidate[CANDIDATES_MAX];
	int tasks[GROUPS_MAX];	   /* lists of the guard's group and its descendants */
	uint8_t whole[GROUPS_MAX]; /* oom_group_of() for each */
};

/* The responder's private state of an incident. */
struct response {
	uint32_t word;	     /* the incident it works on; even: none */
	uint32_t left_word;  /* the incident that is left to a designated handler */
	uint32_t last_kills; /* kernel kills, to see one */
	_Bool fired;	     /* the event came, and has not been looked at */
	_Bool killed_by_kernel;
	_Bool has_relieved; /* its memory was seen coming back, and told */
	_Bool is_helped;    /* the reaper was asked */
	_Bool is_over;	    /* the current order has failed, or has nothing to wait for */
	_Bool is_answered;  /* by the watcher, whom it was asked of */
	_Bool is_wide;	    /* those looked at first do not explain it (suspects.c) */
	uint8_t asked;	    /* enum order: of a watcher; 0: nothing */
	uint8_t order_at;   /* which of the standing orders is the current one (step.h) */
	uint8_t gives_up;   /* enum reason: why, where the current one is the hand-over, or none */
	uint8_t victim;	    /* enum victim */
	int victim_pidfd;   /* -1: killed by pid, or not opened yet (reaper_hold()) */
	uint32_t victim_pid;
	uint64_t victim_bytes;
	uint64_t step_ns; /* the current order was begun */
	uint32_t
		whole; /* the group that goes with the victim (oom_group.h); 0: none, or it has gone */
	uint32_t whole_view; /* of which view it is a group */
	uint32_t times;	     /* its lists have been read so often */
	uint32_t members;    /* that were killed with the victim */
	uint64_t begun_ns;
	uint64_t killed_ns;
	uint64_t progress_ns; /* last kill, death, or memory coming back; less when we had no CPU */
	uint64_t looked_ns;
	uint32_t tried[KILLS_PER_INCIDENT_MAX]; /* pids killed in this incident: never twice */
	uint32_t tries;
	uint32_t
		moved_pid; /* of another group since: the view has it until the sampler has looked */
	uint32_t moved_scan; /* scans, when it was */
	uint64_t lists_ns;   /* asked for the lists then; 0: not */
	uint64_t asked_ns;   /* asked for the suspects' memory then; 0: not */
};

/* What each turn reads of all comes first (struct guard). */
struct guarded {
	_Alignas(64) struct guard *guard;
	uint32_t index;
	/* from here on zeroed when it is let go */
	uint32_t active;  /* writer: sampler, release; the responder leaves others alone */
	uint32_t busy;	  /* writer: responder, sequentially consistent with `current` */
	uint32_t current; /* writer: sampler; which view */
	int poked; /* writer: sampler: to be looked at as if its event had come; the responder takes it */
	/* the sampler's own */
	_Bool retired;	     /* the view that is not current still holds descriptors to close */
	_Bool is_open;	     /* attached, whether active or not */
	_Bool is_incomplete; /* a group could not be opened */
	_Bool is_inside;     /* its margin, when last looked at */
	_Bool is_quiet;	     /* its usage had not changed when it was last asked for */
	uint64_t due_ms;
	/* the responder's own */
	_Bool is_looked_at;   /* in this turn already */
	uint64_t deaf_ns;     /* v2: no event of it wakes us until then; 0: the next one does */
	struct memcg_oom oom; /* read at the start of its turn */
	struct response response;
	struct memcg_room room;
	/* the sampler's own */
	uint32_t groups;
	int dirs[GROUPS_MAX];	    /* of the guard's group and its descendants */
	uint32_t links[GROUPS_MAX]; /* their link counts: a change means a child came or went */
	int tasks[GROUPS_MAX];
	uint8_t above[GROUPS_MAX]; /* which of them is its parent */
	uint8_t whole[GROUPS_MAX]; /* oom_group_of() for each */
	uint32_t scans;
	uint32_t leaders_scan; /* the last scan that listed the tasks of every group */
	uint64_t scanned_ms;   /* when the last scan that read everybody began; 0: none did */
	uint64_t looked_ms;    /* when it was scanned last */
	uint32_t looks;	       /* scans, and those it was passed over at */
	int64_t between_pages; /* by how much the known have grown between two scans, by births and deaths */
	int oom_event;
	struct memcg memcg;
	struct view views[2];
};

/* The responder's, busy: sequentially consistent with that, so that the sampler, which switches and then looks whether it is, does not
 * close what is in this one. */
static inline uint32_t view_current(const struct guarded *g)
{
	return __atomic_load_n(&g->current, __ATOMIC_SEQ_CST);
}

static inline struct view *view_now(struct guarded *g) { return &g->views[view_current(g)]; }

/* The guard's processes of one scan: slots of the table. */
struct sampled {
	uint32_t n;
	uint16_t slots[PROCS_MAX];
};

struct handler {
	struct role_self self;
	int designated_event; /* of one that has designated itself: the door's; -1: we make our own */
	struct table table;
	struct guarded *guarded; /* guards_max */
	uint8_t *restless; /* the responder's, by tree: somebody in it is, or may be, in OOM */
	int respond_epoll;
	struct rest rest; /* the responder's */
	struct sampled *sampled;
	struct frames *frames;	  /* NULL: nothing is recorded */
	struct record records[2]; /* the fast and the slow ring of it */
	char *respond_pids;	  /* PIDS_BYTES each */
	char *sample_pids;
};

extern struct handler handler;

/* Both threads may find more of them the next time. */
static inline uint32_t handler_guards(void)
{
	return __atomic_load_n(&handler.self.region->guards_used, __ATOMIC_ACQUIRE);
}

_Noreturn void handler_run(const char *run_dir, char **groups);
/* The sampler has the responder look at a guard. */
void handler_poke(struct guarded *g);
/* The tables, when there is a region. */
void handler_make(void);
/* The rest of it. */
_Noreturn void handler_begin(void);

/* handle.c: the sampler's turn where nobody watches over us: ends an incident that is over. */
void handle_turn(struct guarded *g);
/* The door has closed the connection. */
_Noreturn void handle_end(void);

/* sampler.c: looks at every guard, slowly far from its limit, fast near it. */
_Noreturn void sampler_loop(void);

/* guarded.c: opens everything of a guard; 0 or -errno. */
int guarded_attach(struct guarded *g);
/* Closes it: its group is gone. False: not yet, the responder may still use it. */
int guarded_let_go(struct guarded *g);

/* inside.c: after a scan of the guard: leaves a group in which we are the last, and comes back. */
void inside_begin(void);
/* Whether the handler lives in that group. */
int inside_lives_in(const struct guarded *g);
void inside_look(const struct guarded *g, uint64_t now_ms);

/* scan.c: one scan of one guard. Says whether the group is inside its margin. */
int scan_guard(struct guarded *g);
/* Its processes are known no more. */
void scan_forget(struct guarded *g);
/* The same without a scan. */
int scan_is_inside(const struct guarded *g);

/* view.c: makes what was sampled of a guard the responder's current view. False: that one still works with the other. */
int view_publish(struct guarded *g, const struct sampled *sampled, uint64_t anon_bytes);
/* Opens the lists of the guard's group and its descendants again when the tree has changed;
 * says whether. */
int view_refresh_groups(struct guarded *g);
/* Closes all of both views: the responder leaves the guard alone. */
void view_close(struct guarded *g);
/* ranking.c: what the door hands on to a designated handler. */
void ranking_publish(const struct guarded *g, const struct rank *rank);
/* Closes what only the view that is not current holds, and clears that. False while the responder may still use it. */
int view_retire(struct guarded *g);
/* Makes the view that is not current the responder's. */
void view_switch(struct guarded *g);
/* Opens a process for the event path. 0 or -errno. */
int view_prime(struct candidate *c, struct snapshot *s);
/* The candidate primed for this pid, or NULL. */
struct candidate *view_find(struct view *view, uint32_t pid);

/* view_edit.c: the current view with one candidate more, or less. Not while the responder is at work. */
void view_add(struct guarded *g, uint16_t slot, uint32_t inherited_pages);
/* A newborn has become another program: what it holds is its own. */
void view_disinherit(struct guarded *g, uint32_t pid);
void view_drop(struct guarded *g, uint32_t pid);

/* responder.c */
_Noreturn void responder_loop(void);
/* Logs a step of the incident that it works on. */
void respond_tell(const struct guarded *g, enum step step, struct log_record r);
static inline uint32_t respond_ms_since(uint64_t then_ns, uint64_t now_ns)
{
	return now_ns > then_ns ? (uint32_t)((now_ns - then_ns) / 1000000) : 0;
}

/* response.c: joins the open incident, or opens one. */
void response_begin(struct guarded *g, uint64_t now_ns);
/* One look at it, and what follows from that. */
void response_go_on(struct guarded *g, uint64_t now_ns);
/* It is over, whatever has become of the victim. */
void response_end(struct guarded *g);

/* hear.c: an event of the epoll: has the guards that it concerns looked at. */
void hear_event(uint32_t index);
/* v2: guards that were deaf hear what came meanwhile. */
void hear_late(void);
/* In how many ms the next one has to; -1: an event wakes. */
int hear_next_ms(void);
/* A guard that is not armed yet may be another reprieve's. What came before is the watchers' to see: they wake us. */
int hear_is_ours(struct guarded *g);

/* reaper.c: a third thread, that helps a victim which does not give its memory back by itself. */
int reaper_start(void);
void reaper_help(uint32_t pid, int pidfd); /* -1: nothing was opened for it */
/* Says once whether it has helped that one; *result: 0 or -errno. */
int reaper_result(uint32_t pid, int *result);
/* Opens the victim of a guard, who was sent a signal at `signal_ns`; `start_time` 0: nobody has read it. */
void reaper_hold(uint32_t guard, uint32_t pid, uint64_t start_time, uint64_t signal_ns);
/* Of one who was sent SIGKILL, and needs no opening. */
void reaper_read_name(uint32_t guard, uint32_t pid);
/* His pidfd, which is no longer one's own when he is let go; -EAGAIN: not yet; or -errno: he cannot be opened, or is gone. */
int reaper_held(uint32_t guard);
/* What he was called then, as far as it is known. */
void reaper_name(uint32_t guard, char comm[COMM_BYTES]);
void reaper_let_go(uint32_t guard);

/* choose.c: the victim for this guard. 0; -EAGAIN: not known yet, look again; -ESRCH: nobody is
 * worth a kill. */
struct choice {
	int pidfd; /* -1: not primed */
	uint32_t pid;
	uint32_t evidence; /* enum evidence */
	uint64_t bytes;
	struct rank_key key;
	uint64_t start_time;
	char comm[COMM_BYTES];
};
int choose_victim(struct guarded *g, struct choice *choice);
/* Who would have been chosen when it was last sampled. */
int choose_sampled(struct guarded *g, struct choice *choice);
/* The place of one who holds so many pages that nobody has read: whoever it is, it is no better. */
struct rank_key choose_key_of_unread(const struct view *view, uint64_t pages);
/* victim.c: who is being killed now; whether it has died, and what helps it to. */
void victim_remember(struct response *response, const struct choice *choice, uint64_t now_ns);
void victim_look_after(struct guarded *g, uint64_t now_ns);

/* Was pid killed in this incident, or moved? Never twice. */
int response_has_tried(const struct response *response, uint32_t pid);

#endif
