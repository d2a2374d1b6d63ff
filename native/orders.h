/* SPDX-License-Identifier: MIT */
/* Hop 3: the standing orders. Pure: what to do now, given what the responder sees. No clock, no
 * I/O. */
#ifndef RPV_ORDERS_H
#define RPV_ORDERS_H

#include "standing.h"

enum next {
	NEXT_WAIT,     /* something is under way; look again at the next tick */
	NEXT_BEGIN,    /* carry the order out; kill: once more */
	NEXT_ORDER,    /* it has brought no relief: the next one */
	NEXT_OBSERVE,  /* say what one would have done; the next one */
	NEXT_RELIEVED, /* nobody waits any more, and the victim's memory is back */
	NEXT_GIVE_UP,  /* all were tried, or it is the next order: ask for the hand-over */
};

enum victim {
	VICTIM_NONE,
	VICTIM_DYING,
	VICTIM_DEAD,
	VICTIM_ASKED, /* to end, by SIGTERM */
};

struct sight {
	int in_oom;	      /* somebody waits, and the group stands at its own limit */
	int full;	      /* it stands there, whether somebody waits or not */
	int held;	      /* the kernel does not kill */
	uint32_t powers;      /* enum guard_flag; 0: observing */
	enum order order;     /* the current one; ORDER_NONE: all were tried */
	int is_last;	      /* there is none behind it */
	int is_begun;	      /* it is asked for */
	int is_over;	      /* it has failed, or has nothing to wait for */
	uint32_t waited_ms;   /* for relief by it */
	uint32_t bound_ms;    /* so long it is waited for */
	enum victim victim;   /* the last one */
	uint32_t grace_ms;    /* so long after SIGTERM there is none other */
	int is_capped;	      /* there may be no kill any more */
	uint32_t idle_ms;     /* since a kill, a death, or memory coming back */
	int killed_by_kernel; /* the last kill was the kernel's */
};

enum next orders_next(const struct sight *sight);

/* Is it a kill, of one or of a group, be it asked first? */
int orders_kills(enum order order);
/* The power that an order takes: enum guard_flag. */
uint32_t orders_power(enum order order);

#endif
