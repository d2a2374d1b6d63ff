/* SPDX-License-Identifier: MIT */
/*
 * The system guard: the host as a whole. The contract between the agent and the role "system", one page of shared memory
 * of its own, and what the role decides by it (system_judge.c), which is pure.
 */
#ifndef RPV_SYSTEM_H
#define RPV_SYSTEM_H

#include "caps.h"
#include "steps.h"
#include "weigh.h"
#include <stdint.h>

#define SYSTEM_MAGIC 0x7379736576657270ull
#define SYSTEM_LAYOUT 2u /* raised by every change of this file */

enum {
	SYSTEM_TICK_MIN_MS = 100, /* between two looks, as memory is left; as earlyoom */
	SYSTEM_TICK_MAX_MS = 1000,
	SYSTEM_TICK_OPEN_MS = 20, /* while something is done */
	SYSTEM_MEMORY_BYTES_PER_MS = 6000
				     << 10, /* no faster is memory filled, nor swap: earlyoom's */
	SYSTEM_SWAP_BYTES_PER_MS = 800 << 10,
	SYSTEM_TERM_MS =
		5000, /* from SIGTERM to SIGKILL, where the second mark is not reached before */
	SYSTEM_DEATH_MS = 5000, /* who is not dead so long after a SIGKILL is given up */
	SYSTEM_HELP_MS = 100, /* a victim begins to free within 3, unless it is frozen (measured) */
	SYSTEM_SETTLE_MS = 100, /* behind a death: the counters of all CPUs */
	SYSTEM_CALM_MS = 1000,	/* above the marks for so long it is over */
	SYSTEM_HAND_OVER_MS =
		10000, /* between two: the kernel's reaper needs 2 s where its victim does not die */
};

/* So much is left: one of the two; none: never. */
struct system_mark {
	uint64_t bytes;
	uint64_t per_myriad; /* of the total */
};

/* The marks are two each: of SIGTERM, and of SIGKILL. Writer: the agent, before the role is started. */
struct system_orders {
	struct system_mark memory[2]; /* of MemAvailable, */
	struct system_mark swap[2];   /* and of swap: both have to be reached */
	uint32_t pressure[2];	      /* percent, times 100; 0: none */
	uint32_t is_full;	      /* pressure: of all processes, not of some */
	uint32_t over_s;	      /* 10, 60, 300 */
	uint32_t allowed;
	uint32_t hands_over;
	uint32_t incident_cap;
	uint32_t hour_cap; /* 0: none */
	struct weighing weighing;
};

/* What the kernel says. */
struct system_now {
	uint64_t
		total_bytes; /* what processes can have: that, and their anonymous memory (as earlyoom) */
	uint64_t available_bytes;
	uint64_t swap_bytes;
	uint64_t swap_free_bytes;
	uint32_t pressure; /* of the orders' kind */
	uint32_t reserved;
};

struct system_head {
	uint64_t magic;
	uint32_t layout;
	uint32_t agent_pid;
};

struct system_page {
	struct system_head head; /* writer: the agent */
	struct system_orders orders;
	/* writer: the role */
	struct system_now now;
	uint32_t ready;	   /* release */
	uint32_t incident; /* odd while one is open, number = (word + 1) / 2 */
	uint32_t reserved;
	int32_t lock_result;	 /* mlockall: 0 or -errno */
	int32_t sysrq_result;	 /* opening /proc/sysrq-trigger */
	int32_t pressure_result; /* reading /proc/pressure/memory */
	struct caps_hour hour;
	struct log log;
	struct log_record records[LOG_RECORDS];
};

/* One record of its log: `guard` is 0, `incident` a number, `bytes` what the process holds, `reserved` MemAvailable. */
enum system_step {
	SYSTEM_LOW = 1,	      /* arg: enum system_cause; bytes: free swap */
	SYSTEM_WOULD = 2,     /* whom it would be; arg: 1 a kill, 0 SIGTERM */
	SYSTEM_TERMINATE = 3, /* result */
	SYSTEM_KILL = 4,      /* result */
	SYSTEM_DEAD = 5,
	SYSTEM_HAND_OVER = 6, /* sysrq f; arg: enum reason; result */
	SYSTEM_RELIEVED = 7,
};

enum system_cause { SYSTEM_BY_MEMORY = 1, SYSTEM_BY_PRESSURE = 2 };

enum system_level { SYSTEM_CALM, SYSTEM_FIRST, SYSTEM_SECOND };

enum system_victim { SYSTEM_NOBODY, SYSTEM_ASKED, SYSTEM_KILLED, SYSTEM_GONE };

struct system_sight {
	enum system_level level;
	int is_open;
	uint32_t calm_ms; /* since it was last below a mark */
	int is_allowed;
	int is_told; /* whom it would be */
	enum system_victim victim;
	uint32_t victim_ms; /* since it was signalled, or died */
	int is_stuck;	    /* there may be no kill any more, or nobody is worth it */
	uint32_t handed_ms; /* since a hand-over; UINT32_MAX: there was none */
};

enum system_next {
	SYSTEM_WAIT,
	SYSTEM_BEGIN,	/* a victim: SIGTERM, at the second mark SIGKILL */
	SYSTEM_FINISH,	/* the victim has not gone by itself: SIGKILL */
	SYSTEM_OBSERVE, /* say whom it would be */
	SYSTEM_GIVE_UP, /* hand over */
	SYSTEM_END,	/* it is over */
};

/* `counts`: pressure does; it falls slowly behind a kill. */
enum system_level system_level(const struct system_orders *orders, const struct system_now *now,
			       int counts, enum system_cause *cause);
enum system_next system_next(const struct system_sight *sight);
/* The longest that the next look may wait. */
uint32_t system_wait_ms(const struct system_orders *orders, const struct system_now *now);
/* Of the text of /proc/meminfo; -EINVAL where it lacks a line. */
int system_parse_meminfo(const char *buf, const char *end, struct system_now *now);
/* Of that of /proc/pressure/memory: percent, times 100. */
uint32_t system_parse_pressure(const char *buf, const char *end, int is_full, uint32_t over_s);

/* system_victim.c: who is the most worth; -ESRCH: nobody. */
struct system_choice {
	int pidfd; /* the caller's to close */
	uint32_t pid;
	uint64_t start_time;
	uint64_t bytes;
	char comm[COMM_BYTES];
};

/* Those who were chosen in this incident are not again. */
struct system_tried {
	uint32_t n;
	uint32_t pids[KILLS_PER_INCIDENT_MAX];
};
int system_choose(const struct system_page *page, const struct system_tried *tried,
		  struct system_choice *choice);

/* The role. */
_Noreturn void system_run(void);

#endif
