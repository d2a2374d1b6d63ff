/* SPDX-License-Identifier: MIT */
/* The part of the contract (region.h) that says what happened: the steps of a role's log, and the words in them. */
#ifndef RPV_STEPS_H
#define RPV_STEPS_H

#include "limits.h"
#include <stdint.h>

/* What happened; one record of a log each. The agent turns them into messages. */
enum step {
	STEP_OPENED = 1,      /* incident opened; arg: enum cause */
	STEP_SEEN = 2,	      /* the responder is awake and looks at the group; bytes: usage */
	STEP_CHOSE = 3,	      /* pid, comm, bytes: its anonymous memory; arg: enum evidence */
	STEP_WOULD_KILL = 4,  /* the same, without the power to kill */
	STEP_KILL = 5,	      /* SIGKILL sent; result */
	STEP_MRELEASE = 6,    /* process_mrelease; result */
	STEP_VICTIM_DEAD = 7, /* pid, comm: as it was called when it was killed, if that is known */
	STEP_RELIEF = 8,      /* nobody waits in the OOM any more; bytes: usage */
	STEP_GAVE_UP = 9,     /* the responder asks for the hand-over; arg: enum reason */
	STEP_HANDED_OVER =
		10, /* the switch was written to "kernel kills"; result; arg: enum reason */
	STEP_HANDLER_KILLED = 11, /* result */
	STEP_CLOSED = 12,	  /* arg: enum outcome << 16 | enum reason; bytes: page faults */
	STEP_ENGAGED = 13,	  /* the killer was switched off: inside the margin; result */
	STEP_DISENGAGED = 14,	  /* and on again; result */
	STEP_TOOK_OVER = 15,	  /* this watcher owns the switch from now on; arg: enum reason */
	STEP_PUT_BACK = 16,	  /* the guard was released; result */
	STEP_GONE = 17,		  /* the group was removed */
	STEP_CHILD_RESET = 18,	  /* a child had inherited "killer off" and got it back; result */
	STEP_ALARM = 19,	  /* handed over, still not relieved */
	STEP_WOKE = 20,		  /* they slept in a group with room, and were woken; result */
	STEP_DISARMED_BY_OTHER =
		21,	      /* somebody else switched the killer on while we held the group */
	STEP_MENDED = 22,     /* it was off, and not by us now: on again; result */
	STEP_CHILD_LEFT = 23, /* a child's killer is off by its owner's will, and stays so */
	STEP_DESIGNATED = 24, /* a handler that is not ours answers for the group from now on */
	STEP_RESIGNED = 25,   /* and no longer; arg: enum reason, where it did not say so itself */
	STEP_KILL_GROUP =
		26, /* by the orders, or v2: memory.oom.group, with the victim; bytes: so many processes */
	STEP_RAISE = 27,      /* limits were raised; bytes: by so much in all; result */
	STEP_RECLAIM = 28,    /* bytes: so much was; result */
	STEP_FREEZE = 29,     /* the child that holds the most; bytes: so much; result */
	STEP_MOVE = 30,	      /* pid, to the group that was named; result */
	STEP_THAW = 31,	      /* result */
	STEP_GIVEN_BACK = 32, /* the limits are what they were before the raise; result */
	STEP_WOULD = 33,      /* arg: enum order, for which the power lacks */
	STEP_HOOK =
		34, /* it has ended, or its bound is over; arg: its exit code, or HOOK_SIGNAL + n; result */
	STEP_TERMINATE = 35, /* SIGTERM sent; result */
	STEP_ROOM = 36,	     /* limits were raised for its sake; bytes: by so much in all; result */
	STEP_SLEPT = 37,     /* pid: a thread, that slept in the OOM; bytes: so many us, at most */
	STEP_LEFT_TO = 38,   /* pid, comm: the designated handler, which the kernel has woken */
};

enum cause {
	CAUSE_OOM = 1,
	CAUSE_KERNEL_KILL = 2, /* all that is seen of it is the kernel's kill */
	CAUSE_NEAR = 4,	       /* it has come to the threshold at which its guard acts */
	CAUSE_STARVING = 3,    /* nobody sleeps, but calls that need memory fail */
};

enum evidence {
	EVIDENCE_LARGEST = 1, /* largest anonymous memory, read at the OOM */
	EVIDENCE_UNEXPLAINED =
		2, /* memory was unexplained: largest of those not primed, read at the OOM */
	EVIDENCE_BUSIEST =
		3, /* the same, and nobody could read them: most CPU time since the snapshot */
	EVIDENCE_KERNELS_RULE = 4, /* as the kernel would have chosen */
	EVIDENCE_NEWEST = 5,	   /* by the order: started last */
	EVIDENCE_FASTEST = 6,	   /* grown most in the last second */
	EVIDENCE_WEIGHT = 7,	   /* of the highest weight */
};

enum outcome {
	OUTCOME_RELIEVED = 1,
	OUTCOME_HANDED_OVER = 2,
	OUTCOME_KERNEL_FIRST = 3,
	OUTCOME_EXITED_BY_ITSELF = 4,
	OUTCOME_UNRELIEVED = 5,
	OUTCOME_OBSERVED = 6,
	OUTCOME_OWNER_OVERRODE = 7, /* somebody else switched the killer on */
};

enum reason {
	REASON_NONE = 0,
	REASON_KILLED = 1,   /* our kill brought relief */
	REASON_DEADLINE = 2, /* the delay was over */
	REASON_HANDLER_DEAD = 3,
	REASON_HANDLER_UNSEEN = 4, /* no mark: stopped, or never scheduled */
	REASON_NO_CANDIDATE = 5,   /* no process of the group holds memory that a kill would free */
	REASON_KILL_CAP = 6,	   /* the most kills for one incident */
	REASON_BURST = 7,	   /* the burst was faster than the arming */
	REASON_OBSERVING = 8,
	REASON_NO_KILL_SEEN = 9, /* memory came back without a kill */
	REASON_AGENT_DEAD = 10,
	REASON_RELEASED = 11,
	REASON_OWNER_DEAD = 12,	  /* the other watcher is dead */
	REASON_OWNER_SILENT = 13, /* the other watcher does not answer */
	REASON_GROUP_GONE = 14,
	REASON_KERNEL_KILLED = 15, /* the kernel's own kill brought relief */
	REASON_NOT_RELIEVED = 16,
	REASON_HANDLER_ASLEEP = 17, /* in the OOM that it is to resolve */
	REASON_BUDGET = 18,	    /* the guard has been in OOM for too much of the last minute */
	REASON_DESIGNATED = 19,	    /* with a designated handler at work */
	REASON_SWITCH_WRITTEN = 20, /* by somebody else */
	REASON_RAISED = 21,	    /* our step brought relief */
	REASON_RECLAIMED = 22,
	REASON_MOVED = 23,
	REASON_NO_ORDER_LEFT = 24, /* all standing orders were tried in vain */
	REASON_HOUR_CAP = 25,	   /* the most kills for the guard in an hour */
	REASON_HOST_CAP = 26,	   /* the same, for all guards */
	REASON_HOOK = 27,	   /* a program of the orders was at work, or had been */
	REASON_TERMINATED = 28,	   /* who was sent SIGTERM has ended by it */
	REASON_ORDERED = 29,	   /* the orders say so: "hand-over" was their next */
};

/* What becomes of the last victim. */
enum dying { DYING_NONE = 0, DYING_KILLED = 1, DYING_ASKED = 2 /* by SIGTERM */ };

/* One step. Written by one role only, in its own log. 72 bytes. */
struct log_record {
	uint64_t t_ns; /* CLOCK_MONOTONIC */
	uint64_t bytes;
	uint64_t
		start_time; /* of pid, clock ticks since boot (proc(5), stat field 22); of STEP_CLOSED: when it opened, as t_ns */
	uint32_t guard;	    /* index */
	uint32_t incident;  /* 0: none */
	uint32_t step;	    /* enum step */
	uint32_t arg;
	int32_t result; /* 0 or -errno */
	int32_t pid;
	char comm[COMM_BYTES]; /* hostile bytes, not terminated when full */
	uint64_t reserved;
};

struct log {
	uint64_t head;	     /* writer: the role, release; free-running */
	uint64_t tail;	     /* writer: the agent, release */
	uint64_t dropped;    /* writer: the role */
	uint32_t size;	     /* of its records, a power of two; writer: who made it */
	uint32_t records_at; /* so many bytes behind this; writer: who made it */
};

static inline struct log_record *log_records(struct log *log)
{
	return (struct log_record *)((char *)log + log->records_at);
}

_Static_assert(sizeof(struct log_record) == 72, "the agent strides by 72");
_Static_assert((LOG_RECORDS & (LOG_RECORDS - 1)) == 0, "masked index");
_Static_assert((LOG_RECORDS_MOST & (LOG_RECORDS_MOST - 1)) == 0, "masked index");

#endif
