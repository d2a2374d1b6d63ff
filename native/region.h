/* SPDX-License-Identifier: MIT */
/*
 * THE CONTRACT between the agent and the native roles: one shared, locked region.
 *
 * Made by the agent (ffi_region.c), mapped by every role. Each word has one writer, named beside it;
 * those that several may write say so, and how. A reader of a
 * word marked "release" loads it with acquire; everything written before it is then visible. The
 * layout is written here only: layout.c prints it for TypeScript at build time, and both sides
 * compare `layout` at start, so a region of another build is refused and never misread.
 */
#ifndef RPV_REGION_H
#define RPV_REGION_H

#include "designate.h"
#include "limits.h"
#include "memcg.h"
#include "standing.h"
#include "steps.h"
#include "weigh.h"
#include <stdint.h>

#define REGION_MAGIC 0x6576656972706572ull /* "reprieve" */
#define REGION_LAYOUT 40u /* raised by every change of this file and of what it includes */

/* Descriptors every role inherits from the agent, by number. */
enum fd_of_role {
	FD_REGION =
		3, /* the region: a memfd, or a file of tmpfs whose lock says that one of ours lives */
	FD_AGENT = 4,	/* eventfd: wakes the agent */
	FD_CONTROL = 5, /* eventfd: wakes this role */
	FD_HANDLER = 6, /* the other roles' control eventfds */
	FD_WATCHDOG = 7,
	FD_SPARE = 8,
	FD_DOOR = 9,
	FD_LEDGER = 10,	   /* held for its lock only */
	FD_RESPONDER = 11, /* eventfd: wakes the handler's responder */
	FD_LISTEN = 12,	   /* the door only: the socket for handlers */
};

enum role { ROLE_HANDLER = 0, ROLE_WATCHDOG = 1, ROLE_SPARE = 2, ROLE_DOOR = 3, ROLES = 4 };

/* What the agent wants of a guard: nothing, as long as it is free; when it has given it up it is to be put back and let go of, and
 * then free. */
enum guard_want { WANT_NOTHING = 0, WANT_ATTACHED = 1, WANT_ARMED = 2, WANT_GIVEN_UP = 3 };

/* Where a role is with opening a guard; else -errno. */
enum guard_attached { ATTACHED_NOT = 0, ATTACHED = 1, ATTACHING = 2 };

/* Where a guard is, as the owning watcher sees it. */
enum guard_state {
	GUARD_NONE = 0,	  /* not attached, or released */
	GUARD_QUIET = 1,  /* armed, far from the limit: the kernel's killer is on */
	GUARD_NEAR = 2,	  /* inside the margin: the killer is off, we answer for the group */
	GUARD_OOM = 3,	  /* an incident is open, its timer runs */
	GUARD_RELIEF = 4, /* relief has come and must hold */
	GUARD_HANDED = 5, /* given to the kernel, relief not yet seen */
	GUARD_ALARM = 6,  /* handed over and still not relieved after the bound */
	GUARD_GONE = 7,	  /* the group was removed */
	GUARD_STATES = 8,
};

/* The states in which the killer is off by our doing. */
static inline int guard_is_held(uint32_t state)
{
	return state >= GUARD_NEAR && state <= GUARD_RELIEF;
}

/* By what the sampler knows which processes there are. */
enum sampling_source {
	SOURCE_SCAN = 0, /* it lists them at each look */
	SOURCE_EVENTS =
		1, /* the kernel tells their births; listed at few looks while the group is far from its limit */
	SOURCE_BOTH = 2,
};

enum guard_flag {
	GUARD_ALLOW_KILL = 1,	/* processes of the group may be killed and frozen */
	GUARD_OWNED = 2,	/* reprieve made the group: the last watcher removes it */
	GUARD_ALLOW_LIMITS = 4, /* its limits may be raised, and memory of it reclaimed */
	GUARD_ALLOW_MOVE = 8,	/* a process may be moved to another group */
	GUARD_ALLOW_HOOKS = 16, /* the program that was named may be run */
	GUARD_BEFORE =
		32, /* the orders are carried out before the limit, and the group is never held */
	/* without any: observe, never touch the switch */
	GUARD_POWERS = GUARD_ALLOW_KILL | GUARD_ALLOW_LIMITS | GUARD_ALLOW_MOVE | GUARD_ALLOW_HOOKS,
};

/* A role's own word about itself; writer: that role. */
struct helper {
	uint32_t pid;
	uint32_t ready; /* release: 1 when every descriptor is open and memory is locked */
	uint64_t
		beat_ns; /* it is alive: a turn's end, a look's begin, or a piece of slow work's; CLOCK_MONOTONIC */
	uint64_t turned_ns;  /* when its last finished turn began: what was before it has seen */
	uint64_t locked_kb;  /* VmLck at ready */
	int32_t lock_result; /* mlockall: 0 or -errno */
	uint32_t settled;    /* release: 1 when it has joined the groups it is to live in */
	uint32_t
		is_slow; /* release: 1 while it waits for an RCU grace period, or walks all processes of a group */
	int32_t hurry_result; /* of the asking for real-time priority: 0 or -errno */
	uint32_t
		is_leaving; /* release: a watcher that waits for the owner's end, and for nothing else */
	int32_t events_result; /* the handler's, of the opening of the process connector: 0 or -errno */
};

/* A handler that is not ours, as the door has let it in. The watchers judge it; it owes no word here. */
struct designated {
	uint64_t start_time; /* of pid, clock ticks since boot */
	uint32_t uid;
	uint32_t tid; /* its essential thread; 0: any of its threads counts */
	uint32_t pid; /* release, written last; 0: nobody, our own handler answers for the group */
	uint32_t reserved;
};

/* What each turn of a role reads of all guards comes first, in two cache lines: of a thousand, spread over all of it, that took
 * 0.2 ms of an event's way to the kill, and of the victim's CPU as often as somebody looked (measured). */
struct guard {
	/* writer: the agent */
	_Alignas(64) uint32_t
		want; /* enum guard_want, release; the owning watcher, release, from WANT_GIVEN_UP to WANT_NOTHING,
		   when all have let go: the guard is free for another group */
	uint32_t
		tree; /* index of the outermost guard above it, or its own: OOMs of a tree hide each other */
	/* writers: any role, atomic add: raised to have the owner of the switch look at it */
	uint32_t looks_asked;
	/* writers: any role, compare-and-swap; odd while an incident is open, number = (word +
	 * 1) / 2. The watcher that owns the switch closes it. */
	uint32_t incident;
	/* writer: the owning watcher */
	uint32_t state;	   /* enum guard_state */
	uint32_t switched; /* times its switch was written */
	/* writers: whichever watcher walked the descendants last */
	uint32_t chores_done; /* switch_chores(), when they were done */
	/* writer: the sampler */
	uint32_t tree_changes; /* times the set of descendants changed */
	/* writer: the responder */
	uint32_t seen;	       /* incident word it has answered */
	uint32_t lists_wanted; /* release: raised to have the lists read anew */
	uint32_t asked;	       /* release: raised to have the memory of asked_pids read */
	/* writers: the watchers and the sampler, whoever did it (errand.h) */
	uint32_t lists_read;  /* release: lists_wanted, when the lists were read anew */
	uint32_t answered;    /* release: asked, when the answers were written */
	uint32_t flags;	      /* writer: the agent: enum guard_flag */
	uint64_t limit_bytes; /* writer: the sampler; UINT64_MAX: none */
	/* writer: the door */
	struct designated designated;
	uint64_t threshold_limit
		[2]; /* writers: watchdog and spare: its threshold stands under this limit; 0: none */
	uint64_t
		room_wanted; /* writer: the owning watcher: release, v2: so much has to be reclaimed before it can be held;
		   0: nothing */
	uint64_t room_made; /* writers: whichever watcher reclaimed it: room_wanted then */
	/* writer: the agent */
	char path[PATH_BYTES]; /* the group's directory, terminated */
	uint64_t margin_bytes;
	uint32_t delay_ms;
	uint32_t name_at; /* writer: the agent: where in `path` the name of the guard begins */
	uint32_t sample_far_ms;	 /* writer: the agent: looked at so often far from its limit */
	uint32_t sample_near_ms; /* the same inside its margin */
	uint64_t
		inode; /* writer: the agent: the group's directory; the owning watcher back to 0, before it is free */
	/* writer: each role its own */
	int32_t attached[ROLES]; /* enum guard_attached */
	/* writer: the owning watcher */
	uint32_t before_held;  /* memcg_act_before() */
	uint32_t kernel_kills; /* oom_kill of oom_control, last read */
	uint32_t handed_over;  /* hand-overs since armed */
	uint32_t starving; /* release: full, held, and reclaim fails: nobody sleeps, calls fail */
	uint32_t kills_at_open; /* kernel kills when the incident opened */
	uint64_t handed_ns; /* it is the kernel's since; v2: or since our last kill by its rule */
	uint64_t judged;    /* incident word << 32 | enum reason: why that one is the kernel's */
	uint64_t
		limit_hits; /* memcg_limit_hits(), when a designated handler's group last had room */
	struct memcg_high high; /* release */
	/* writers: whichever watcher walked the descendants last */
	uint32_t kills_below;	       /* kernel kills in them */
	uint64_t children[GROUPS_MAX]; /* inodes of those seen before, the rest is switch.c's */
	/* writer: the owning watcher */
	uint32_t ruled; /* v2: there was a kill of ours by its rule since handed_ns */
	/* writers: the watchers and the sampler, whoever did it (errand.h) */
	uint64_t answers[ASKED_MAX]; /* errand_answer() */
	/* writers: any role, compare-and-swap from 0; the closing watcher back to 0: the one timer */
	uint64_t opened_ns;
	/* writer: the responder */
	uint32_t asks_hand_over; /* enum reason: it wants the kernel to decide; 0: it does not */
	uint32_t kills;		 /* kills in this incident */
	uint32_t faults;	 /* page faults of the responder in this incident */
	uint32_t asked_pids[ASKED_MAX];
	uint32_t dying;	      /* enum dying: its last victim is not dead yet */
	uint32_t carried_out; /* enum order: the last of this incident that was; 0: none */
	/* writer: the sampler */
	uint64_t usage_bytes;
	uint32_t procs;
	uint32_t unsampled_groups; /* descendants beyond GROUPS_MAX */
	/* writer: the owning watcher */
	uint32_t kills_handed; /* kernel kills when it was handed over */
	/* writers: both watchers, as they attach: of the asking for events of its pressure: 0 or -errno */
	int32_t pressure_result;
	uint32_t reserved;
};

/* Nothing of its group is switched: never armed, put back, or removed. */
static inline int guard_is_over(const struct guard *g)
{
	uint32_t state = __atomic_load_n(&g->state, __ATOMIC_ACQUIRE);

	return state == GUARD_NONE || state == GUARD_GONE;
}

/* A process as sampled. Writer: the sampler. 64 bytes. */
struct snapshot {
	uint64_t t_ms;	     /* CLOCK_BOOTTIME */
	uint64_t start_time; /* clock ticks since boot */
	uint32_t pid;
	uint32_t uid;
	uint32_t anon_pages;  /* statm resident - shared */
	uint32_t file_pages;  /* of the last read of status */
	uint32_t shmem_pages; /* of the last read of status */
	uint32_t swap_pages;  /* of the last read of status */
	int16_t oom_score_adj;
	uint16_t guard;
	uint16_t group; /* 0: the guard's own group, else a descendant */
	uint16_t reserved;
	char comm[COMM_BYTES];
};

/* What the sampler knows of a process beside its snapshot. */
struct table_extra {
	uint64_t read_cpu_ns; /* CPU time when last read */
	uint64_t cpu_ns;      /* the same, as of the responder's current view */
	uint64_t since_us;    /* in its slot; CLOCK_MONOTONIC */
	uint32_t base_pages;  /* held when it moved in */
	uint32_t scan;	      /* the scan that saw it last */
	uint32_t
		leader_scan; /* the scan that saw its leader in a group of the guard last; 0: none */
	uint16_t exempt : 1;	  /* ours, pid 1, a kernel thread, or -1000: never a victim */
	uint16_t leader_dead : 1; /* its threads live on */
	uint16_t
		elsewhere : 1; /* its leader is in none of the guard's groups, as of the current view */
	uint16_t moved : 1;    /* what is primed reads nothing any more: prime it again */
	uint16_t percent : 12; /* its weight (weigh.h) */
	uint16_t next;	       /* in its hash chain */
};

/* The sampler's table, and what it tells of itself. */
struct recorder {
	uint64_t snapshots;		     /* scans finished; writer: the sampler */
	uint64_t scan_cpu_ns;		     /* thread CPU time of all scans; writer: the sampler */
	uint64_t procs_scanned;		     /* processes seen in all scans; writer: the sampler */
	uint64_t events_lost;		     /* times that some were; writer: the sampler */
	struct snapshot latest[PROCS_MAX];   /* a slot each; pid 0: free */
	struct table_extra known[PROCS_MAX]; /* beside latest[] */
};

/* Frames one behind the other (record.h). Writer: the sampler. */
struct frame_ring {
	uint64_t head; /* release; both free-running, in bytes */
	uint64_t tail; /* release: what is before it may be overwritten */
};

/* A process that has died, or left the group. */
struct gone {
	uint64_t since_us; /* in its slot of the table; CLOCK_MONOTONIC */
	uint64_t gone_us;
	struct snapshot last;
	uint16_t slot;
	uint16_t reserved[3];
};

/* The flight recorder. There is none where nobody reads it. */
struct frames {
	struct frame_ring fast, slow;
	uint64_t gone_head; /* writer: the sampler, release; free-running */
	struct gone gone[GONE_MAX];
	uint16_t codes
		[2]
		[PROCS_MAX]; /* what is in the fast and in the slow ring of each slot (record.h) */
	uint8_t fast_bytes[FAST_BYTES];
	uint8_t slow_bytes[SLOW_BYTES];
};

/* The sampler's ranking of a guard, for the door. There only where a handler may be designated. */
struct ranking {
	uint32_t sequence; /* writer: the sampler, release; odd while it writes */
	uint32_t processes;
	uint64_t sampled_ms; /* CLOCK_BOOTTIME */
	struct designate_process process[CANDIDATES_MAX];
};

struct region {
	uint64_t magic;
	uint32_t layout; /* REGION_LAYOUT */
	uint32_t guards_max;
	uint64_t size_bytes;
	uint64_t
		control_bytes; /* what a watcher maps; behind it the rankings, one a guard, or none */
	uint64_t
		standing_offset; /* in there, one a guard; 0: all have the one order "kill", and no caps */
	uint64_t recorder_offset; /* behind the rankings */
	uint64_t
		past_offset; /* behind the recorder: what each process of its held about a second ago, in pages; 0: nobody asks */
	uint64_t weighings_offset; /* behind that */
	uint64_t frames_offset;	   /* behind that; 0: nothing is recorded */
	uint32_t weighings;	   /* so many, each of guards with the same rules */
	uint32_t sampling_source;  /* writer: the agent: enum sampling_source */
	/* writer: the agent, release: guards that have ever been ordered, at most guards_max: nobody looks at the others. Never
	 * less: one that is free is ordered anew */
	uint32_t guards_used;
	uint32_t agent_pid;
	/* writers: both watchers, compare-and-swap: which of them owns the switch (enum role) */
	uint32_t owner;
	char sleeps_in
		[SYMBOL_BYTES]; /* writer: the agent: the kernel function in which a group's OOM sleeps */
	uint32_t stop;		/* writer: the agent, release: put everything back and exit */
	uint32_t
		hour_cap; /* writer: the agent: the most kills of all guards in an hour; 0: no cap */
	uint32_t
		is_watched; /* writer: the agent: somebody looks on, and wants to see an incident while it lasts */
	uint64_t
		run; /* writer: the agent, before all others: by which its incidents are told from others' */
	struct caps_hour hour;	/* writer: the responder */
	struct log logs[ROLES]; /* their records are the end of the control part */
	struct helper helpers[ROLES];
	struct guard guards
		[]; /* guards_max; behind them the standing orders, and the records of the logs */
};

/* The agent, or one of the helpers. */
static inline int region_is_ours(const struct region *r, uint32_t pid)
{
	int ours = pid == r->agent_pid;

	for (int i = 0; i < ROLES; i++)
		ours |= pid == r->helpers[i].pid;
	return ours;
}

/* Before the guards are gone through: what is read of one some way on is asked for now, with `own`, what the role has of it. From
 * memory that takes 50 ns a guard else, one after the other (measured). */
static inline void guard_fetch(const struct region *r, uint32_t index, const void *own,
			       uint64_t size)
{
	enum { AHEAD = 8 };
	const char *guard = (const char *)&r->guards[index + AHEAD];

	__builtin_prefetch(guard);
	__builtin_prefetch(guard + 64);
	__builtin_prefetch((const char *)own + AHEAD * size);
}

/* The standing orders of a guard; NULL: kill, and no other. */
static inline struct standing *standing_of(struct region *r, uint32_t index)
{
	if (!r->standing_offset)
		return 0;
	return (struct standing *)((char *)r + r->standing_offset) + index;
}

/* By what the guard chooses; NULL: by size alone. Mapped by the handler only. */
static inline const struct weighing *weighing_of(struct region *r, const struct standing *st)
{
	uint32_t index = st ? st->weighing : 0;

	if (!index || index > r->weighings)
		return 0;
	return (const struct weighing *)((char *)r + r->weighings_offset) + index - 1;
}

/* What each process of the recorder held about a second ago, in pages charged; NULL: nobody asks. Writer: the sampler. */
static inline uint32_t *past_pages_of(const struct region *r)
{
	return r->past_offset ? (uint32_t *)((char *)r + r->past_offset) : 0;
}

/* The flight recorder; NULL: there is none. Mapped by the handler only. */
static inline struct frames *frames_of(const struct region *r)
{
	return r->frames_offset ? (struct frames *)((char *)(uintptr_t)r + r->frames_offset) : 0;
}

static inline enum rank_by rank_by_of(const struct standing *st)
{
	return st && st->rank_by < RANKS ? (enum rank_by)st->rank_by : RANK_LARGEST;
}

_Static_assert((int)CANDIDATES_MAX <= (int)DESIGNATE_PROCESSES && COMM_BYTES == 16, "all fit");
_Static_assert(sizeof(struct snapshot) == 64, "a cache line");
_Static_assert(WEIGH_MOST < 1 << 12, "percent");
_Static_assert(sizeof(struct table_extra) == 40 &&
		       sizeof(struct recorder) + sizeof(struct frames) <= 4000000,
	       "most of what the handler locks");
_Static_assert(FAST_BYTES % 8 == 0 && SLOW_BYTES % 8 == 0, "of 64-bit words");
_Static_assert(sizeof(struct guard) % 8 == 0 && sizeof(struct guard) <= 1536, "guard budget");

#endif
