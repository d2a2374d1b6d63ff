/* SPDX-License-Identifier: MIT */
/*
 * Every bound and interval of the core, its unit in the name, its origin in the comment.
 *
 * "measured" means: on Linux 6.18, x86-64, 2 CPUs, no swap; `make bench` repeats the figures.
 */
#ifndef RPV_LIMITS_H
#define RPV_LIMITS_H

enum {
	/* --- what a guard may hold --- */
	PATH_BYTES = 512,    /* a Kubernetes container's path is about 240 */
	SYMBOL_BYTES = 64,   /* a kernel function's name, as wchan shows it */
	COMM_BYTES = 16,     /* TASK_COMM_LEN, include/linux/sched.h */
	CANDIDATES_MAX = 16, /* primed victims; a statm takes 4.7 KB of kernel memory (measured) */
	GROUPS_MAX = 32,     /* the guard's group and its descendants; others are not sampled */
	PARENTS_MAX = 64,    /* parents of groups that share a descriptor (memcg_parent.c) */
	PIDS_BYTES = 4096,   /* seq_file gives no more at a read */
	PROC_TEXT_BYTES = 2048,	   /* /proc/PID/status counts about 1,400 */
	STACK_BYTES = 32 * 1024,   /* 16 levels of tree_walk() take 12 KB, the rest less */
	REAPER_STACK_BYTES = 8192, /* PROC_TEXT_BYTES are on it */
	ORDERS_MAX = 16,	   /* standing orders, each once: more than there are */
	TREE_DEPTH_MAX = 16,	   /* descendants deeper than this are not walked */
	WEIGH_RULES_MAX = 16,	   /* what "prefer" and "avoid" of a guard say */
	WEIGH_TEXT_BYTES = 2048,   /* their patterns together */
	WEIGH_MOST = 4000,	   /* percent; struct table_extra has 12 bits for it */

	/* A CPU takes charges in batches of 64 pages (MEMCG_CHARGE_BATCH): so near is as good as full. */
	STOCK_BYTES = 64 * 4096,

	/* Above what programs take, or one that spins keeps us from a group at OOM; below the kernel's threads (50). */
	REAL_TIME_PRIORITY = 49,

	/* --- the sampler --- */
	SAMPLE_FAR_MS = 1000, /* far from the limit, where a guard is not told another */
	INSIDE_ALONE_MS =
		1000, /* a handler inside leaves a group in which it is the last, so that a pause keeps it */
	SAMPLE_NEAR_MS = 100,	/* the same inside the margin */
	SAMPLER_TICK_MS = 1000, /* no longer asleep: the agent may have died */
	SAMPLE_SHARE = 8,	/* of the processes not primed, one in so many is read a snapshot */
	QUIET_SCANS =
		20, /* so many quiet guards are scanned a second: 70 us each with 5 processes */
	QUIET_READS = 160, /* so many are asked for their usage: 3 us each (measured) */

	/* --- process events --- */
	PROC_EVENTS_BYTES =
		2 << 20, /* doubled by the kernel: some 5,000 events may wait (measured) */
	PROC_EVENTS_A_TURN = 2048,
	BIRTHS_TURN_MS = 5,	 /* of events; most who are born live shorter, and are never read */
	BIRTHS_A_TURN = 8,	 /* so many are read: 8 % of a core at most (measured) */
	BIRTHS_PENDING_MAX = 64, /* to be read, a power of two; the others are left to the scan */
	NEWBORN_PLACES = 4,	 /* of CANDIDATES_MAX, where all are taken */

	/* --- the responder and the watchers --- */
	REST_SHARE = 4, /* a fifth of a CPU at most is ours, however many are at OOM (rest.h) */

	/* --- the responder --- */
	RESPOND_TICK_MS = 1,  /* while an incident is open */
	AGENT_WAKE_MS = 50,   /* a step that waits so long for the end of its incident is told */
	AGENT_SOON_MS = 1,    /* the first one, where somebody looks on: a kill is sent by then */
	HELP_AFTER_MS = 5,    /* a victim begins to free within 3, unless it is frozen (measured) */
	ASKED_MAX = 16,	      /* suspects whose memory another reads; 4 us each (measured) */
	ERRAND_BOUND_MS = 20, /* waiting for another to do so, or to read the lists; 1 (measured) */
	VICTIM_BOUND_MS = 50, /* a victim that frees nothing for so long is given up */
	V2_PATIENCE = 4,      /* memcg_patience() */
	/* Relief by a step before the next is tried; a watcher begins it within 1 (measured). */
	RAISE_BOUND_MS = 10,
	RECLAIM_BOUND_MS = 25,
	FREEZE_BOUND_MS = 10,
	TERMINATE_BOUND_MS =
		40, /* from SIGTERM to SIGKILL; with a victim's bound below the default delay */
	TERMINATE_ROOM_BYTES =
		4 << 20,    /* for a handler of SIGTERM: stacks, tables, what it reads in */
	HOOK_BOUND_MS = 50, /* a shell ends in 5, with five programs in 22, p90 29 (measured) */
	MOVE_BOUND_MS = 40, /* 8 to 20 for an RCU grace period (measured) */
	AWAY_MS = 5, /* no look for so long: the machine had no CPU for us, nor for the victim */
	KILL_MIN_BYTES = 1 << 20,    /* a process with less anonymous memory is not worth a kill */
	KILLS_PER_INCIDENT_MAX = 32, /* then the kernel decides */
	KERNEL_KILL_GRACE_MS =
		10, /* the kernel has just killed; its victim dies within 7 (measured) */

	/* --- the watchers --- */
	WATCH_TICK_MS = 5,    /* while an incident is open */
	SILENT_AFTER_MS = 15, /* an owner without a beat for so long has lost the switch */
	SLOW_AFTER_MS = 60,   /* the same while it waits for an RCU grace period; 20 (measured) */
	SETTERS_MAX = 16, /* thresholds that wait for the same grace period: 1,000 are set in 1 s */
	SETTER_STACK_BYTES = 4096, /* three system calls */
	THRESHOLD_AGAIN_MS = 200,  /* one that failed; its group counts as near so long */
	OTHER_FIRST_MS = 200,	/* so long the one watcher lets the other go first with slow work */
	ATTACH_AGAIN_MS = 1000, /* a lack of descriptors or memory may pass */
	GROWTH_BYTES_PER_MS =
		1 << 20,	/* v2: no faster does what cannot be reclaimed push files out */
	NEAR_TICK_MS = 100,	/* inside the margin: is the group starving? */
	STARVED_LOOKS = 3,	/* so many ticks in a row; v2: windows */
	STARVED_HANDED = 2,	/* v2: after a hand-over: one may have begun before */
	PRESSURE_OLD_MS = 3000, /* v2: longer than one of its windows, which is 2 s without root */
	CRAMPED_BYTES =
		2 << 20, /* a huge page; v2: reclaim goes 0.6 MB below the mark (measured) */
	RECLAIMABLE_IS_NONE_BYTES = 1 << 20, /* less file memory than that is none */
	OWNER_ENDS_MS =
		1000, /* the other watcher's patience with the last one's end: twice OTHERS_END_MS, and some */
	OTHERS_END_MS = 200, /* the last watcher's patience with helpers that were stopped */
	BUDGET_MS =
		6000, /* of each minute a guard may be in OOM: a handler that frees a page at a time is no relief */
	UNSEEN_AFTER_MS = 25, /* a handler that has not marked "seen" is not running */
	RELIEF_HOLD_MS = 20,  /* relief that lasts shorter continues the same timer */
	RELIEF_UNSETTLED_HOLD_MS =
		100, /* the group is full, or its victim needs a CPU to die (measured) */
	HANDED_OVER_BOUND_MS =
		1000, /* the kernel kills within 7 where it finds somebody (measured) */
	SLEPT_OUT_MS =
		2500, /* v2: a task sleeps 2 s at most over memory.high (MEMCG_MAX_HIGH_DELAY_JIFFIES), and then has to grow */
	YIELD_MIN_MS = 1000,  /* v2: to who writes memory.high; twice as long each time */
	YIELD_AGAIN_MS = 100, /* v2: to who often writes there what was there before us */
	YIELD_MAX_MS = 64000,
	ALARM_TICK_MS = 100, /* looking after an unrelieved group */
	FAR_AFTER_MS = 1000, /* outside the margin for so long before the killer is on again */

	/* --- the door --- */
	DOOR_PENDING_MAX = 64,	     /* connections that have not designated anybody yet */
	DOOR_PENDING_OF_UID_MAX = 4, /* of one user */
	DOOR_SILENT_MS = 1000,	     /* such a one is cut off after so long */
	DOOR_TICK_MS = 100, /* in which so many connections are taken: 640/s cost 2 % of a CPU */
	DOOR_ACCEPTS_MAX = 64,
	DESIGNATE_AGAIN_MS =
		100, /* a guard's next handler comes no sooner after the last: bounds the log */

	/* --- the recorder --- */
	PROCS_MAX = 8192, /* processes in the table; 64 B each */
	GONE_MAX = 4096,  /* of those who have gone so many are known by name, 88 B each */
	/* An hour and a minute, and a sixteenth more, which may lack a key frame; of 500 processes of which each has changed in each frame, by
	 * no more than 40 %, and in the slow ring no more than 16 times. */
	FAST_SPAN_MS = 64 * 1000,
	FAST_BYTES = 640 << 10,
	FAST_BITS = 7, /* steps of 0.4 to 0.8 % */
	SLOW_SPAN_MS = 3825 * 1000,
	SLOW_BYTES = 2000 << 10,
	SLOW_BITS = 4,	     /* steps of 3 to 6 % */
	SLOW_EVERY_MS = 950, /* a look a second comes at times a little early */
	/* Steps kept per role until the agent reads them; powers of two. A hundred groups at OOM at once take six each before
	 * it gets a CPU (measured). */
	LOG_RECORDS = 256,
	LOG_RECORDS_A_GUARD = 8, /* where there are more guards; of a watcher half of that */
	LOG_RECORDS_MOST = 1024,
	LOG_LAST_SHARE =
		8, /* of the places: the last part is for ends of incidents alone, the one before for deeds too */
	LOG_FILLS_SHARE = 4, /* so full the agent reads it at once, and with its full priority */
};

#endif
