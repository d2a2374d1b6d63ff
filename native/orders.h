/* SPDX-License-Identifier: MIT */
/* Hop 3: the standing orders. Pure: what to do now, given what the responder sees. No clock, no
 * I/O. */
#ifndef RPV_ORDERS_H
#define RPV_ORDERS_H

#include <stdint.h>

enum order {
	ORDER_WAIT,	/* something is under way; look again at the next tick */
	ORDER_KILL,	/* choose a victim and kill it */
	ORDER_OBSERVE,	/* choose, and say whom one would have killed */
	ORDER_RELIEVED, /* nobody waits any more, and the victim's memory is back */
	ORDER_GIVE_UP,	/* the most kills were made: ask for the hand-over */
};

enum victim { VICTIM_NONE, VICTIM_DYING, VICTIM_DEAD };

struct sight {
	int in_oom; /* somebody waits, and the group stands at its own limit */
	int full;   /* it stands there, whether somebody waits or not */
	int held;   /* the kernel does not kill */
	int allow_kill;
	int has_chosen;	      /* observing: it has been said already */
	enum victim victim;   /* the last one */
	uint32_t kills;	      /* in this incident */
	uint32_t idle_ms;     /* since a kill, a death, or memory coming back */
	int killed_by_kernel; /* the last kill was the kernel's */
};

enum order orders_next(const struct sight *sight);

#endif
