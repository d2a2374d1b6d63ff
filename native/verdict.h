/* SPDX-License-Identifier: MIT */
/*
 * Hop 4: the watchers' state machine, one guard: (state, event) -> (state, act). Pure.
 * native/README.md shows the table in words; test/native/verdict.c checks each row.
 */
#ifndef RPV_VERDICT_H
#define RPV_VERDICT_H

#include "region.h"

enum event {
	EVENT_NONE,
	EVENT_GONE,	/* the group was removed */
	EVENT_OOM,	/* somebody waits at the group's own limit */
	EVENT_FREE,	/* nobody waits any more */
	EVENT_HELD,	/* and for RELIEF_HOLD_MS now */
	EVENT_JOIN,	/* the responder has opened an incident that is over already */
	EVENT_NEAR,	/* inside the margin */
	EVENT_FAR,	/* outside it for FAR_AFTER_MS */
	EVENT_UNFIT,	/* no handler is at work */
	EVENT_OVERRODE, /* somebody else switched the killer on */
	EVENT_VERDICT,	/* the time is up, the handler is stuck or dead, or it asks */
	EVENT_OVERDUE,	/* handed over, and no relief for HANDED_OVER_BOUND_MS */
	EVENTS,
};

enum act {
	ACT_NOTHING,
	ACT_HOLD,   /* switch the killer off */
	ACT_LET_GO, /* switch it on: far, or no handler */
	ACT_OPEN,   /* open an incident */
	ACT_HAND_OVER,
	ACT_YIELD, /* to who switched it on */
	ACT_CLOSE,
	ACT_CLOSE_UNRELIEVED,
	ACT_FORGET, /* the group is gone */
};

struct move {
	uint8_t state; /* enum guard_state */
	uint8_t act;   /* enum act */
};

struct move verdict_next(enum guard_state state, enum event event);

/* What a look at the guard showed. Times in ms, 0 = since now. */
struct look {
	int gone;
	enum cause cause; /* of an incident that would open now */
	int in_oom; /* now, or the event just fired with the kernel's killer on, or starving */
	int kernel_killed; /* a kill of the kernel's is all that is left to see of an OOM */
	int overrode;	   /* we hold it, and the switch says that the kernel does */
	int unsettled; /* the group is full, the victim still dies, or somebody was not woken: relief may not last */
	int waits_for_end; /* the victim was sent SIGTERM, and has time: what room there is is no relief */
	int incident_open; /* by whomever */
	int inside_margin;
	int fit;	     /* a handler is at work */
	uint32_t reason;     /* enum reason for a verdict now, 0: none */
	uint32_t free_ms;    /* nobody waits for so long */
	uint32_t outside_ms; /* outside the margin for so long */
	int overdue;	     /* handed over and not relieved for too long */
};

/* The most urgent event for this state. */
enum event verdict_event(enum guard_state state, const struct look *look);

/* The verdict on a handler at work on an incident: enum reason, or REASON_NONE to let it go on. */
struct trial {
	int dead;
	int asleep; /* in the OOM */
	int seen;
	int over_budget;
	uint32_t asks;	 /* enum reason */
	uint32_t age_ms; /* of the incident */
	uint32_t delay_ms;
};

enum reason verdict_on_handler(const struct trial *trial);

#endif
