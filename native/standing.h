/* SPDX-License-Identifier: MIT */
/*
 * The part of the contract (region.h) with the standing orders of a guard: what is to be tried at an OOM, in which order,
 * how often, and what of it is to be undone. There only where a guard has others than "kill", or caps.
 *
 * The responder decides (orders.c) and asks; a watcher, which is never in the full group, carries out all but kills and hooks.
 */
#ifndef RPV_STANDING_H
#define RPV_STANDING_H

#include "caps.h"
#include "limits.h"
#include "memcg.h"
#include "rank.h"
#include <stdint.h>

enum order {
	ORDER_NONE = 0,
	ORDER_RAISE = 1,	  /* the group's limits; given back afterwards */
	ORDER_RECLAIM = 2,	  /* v2: what can be, of its memory */
	ORDER_FREEZE = 3,	  /* v2: the child that holds the most, until the incident ends */
	ORDER_MOVE = 4,		  /* the largest process to another group */
	ORDER_KILL = 5,		  /* the largest, one after the other */
	ORDER_KILL_GROUP = 6,	  /* the child in which the largest lives */
	ORDER_KILL_GROUP_ALL = 7, /* everybody in the group */
	ORDER_HOOK = 8,		  /* a program, run by the agent */
	ORDER_TERMINATE = 9,	  /* the largest: SIGTERM, room to act on it, SIGKILL */
	ORDER_HAND_OVER = 10,	  /* to the kernel, at once; the last one, or the only one */
	ORDERS = 11,
	/* in no list */
	ORDER_WAKE = 11, /* who was moved sleeps on, where the kernel forgets that */
	ORDER_ROOM = 12, /* for who has been sent SIGTERM */
};

/* The longest that is waited for relief by it before the next is tried, on v1; memcg_patience() times as long on v2. The last
 * one's bound is the guard's delay; a hook's may be given. */
static inline uint32_t order_bound_ms(enum order order)
{
	static const uint8_t bounds[ORDERS] = { 0,
						RAISE_BOUND_MS,
						RECLAIM_BOUND_MS,
						FREEZE_BOUND_MS,
						MOVE_BOUND_MS,
						VICTIM_BOUND_MS,
						VICTIM_BOUND_MS,
						VICTIM_BOUND_MS,
						HOOK_BOUND_MS,
						TERMINATE_BOUND_MS + VICTIM_BOUND_MS };

	return bounds[order];
}

enum { HOOK_SIGNAL = 256 }; /* behind all exit codes */

struct standing {
	/* writer: the agent */
	uint8_t orders[ORDERS_MAX]; /* enum order, each once; ORDER_NONE ends them */
	uint64_t raise_by_bytes;    /* at once */
	uint64_t raise_most_bytes;  /* in all, until it is given back */
	char move_to[PATH_BYTES];   /* a group's directory, terminated */
	char hook[PATH_BYTES];	    /* the words of its command, for who explains; terminated */
	uint32_t incident_cap;	    /* the most kills in one incident; 0: KILLS_PER_INCIDENT_MAX */
	uint32_t hour_cap;	    /* and in an hour; 0: none */
	uint32_t rank_by;	    /* enum rank_by: whom an order takes */
	uint32_t weighing;	    /* its rules: 1 + which; 0: none */
	uint32_t hook_bound_ms;	    /* 0: order_bound_ms() */
	uint32_t grace_ms;	    /* from SIGTERM to SIGKILL; 0: TERMINATE_BOUND_MS */
	int32_t hook_result;	    /* 0; -errno: not started; its exit code, or HOOK_SIGNAL + n */
	uint32_t reserved0;
	uint64_t hook_begun; /* release: asked, when the program was started */
	uint64_t hook_done;  /* release: asked, when it has ended */
	/* writer: the responder */
	struct caps_hour hour;
	uint64_t
		asked; /* release: standing_ask(): wanted of a watcher, or of the agent; 0: nothing */
	/* writer: the watcher that carries it out */
	uint64_t done; /* release: asked, when it was */
	int32_t result;
	uint32_t reserved1;
	uint64_t frozen; /* the inode of the child that is frozen; 0: none */
	/* writer: the owning watcher */
	struct memcg_raise raised;
	uint64_t calm_ns; /* no incident before then: what is owed is given back */
};

/* What the responder asks for: one order of one incident, each once, and whom it is for (0: nobody), in one word, so that nobody
 * carries out the one with the other's pid. A pid has 22 bits (PID_MAX_LIMIT). */
static inline uint64_t standing_ask(uint32_t word, enum order order, uint32_t pid)
{
	return (uint64_t)word << 32 | pid << 8 | (uint32_t)order;
}

static inline enum order standing_ask_order(uint64_t ask) { return (enum order)(ask & 0xff); }

static inline uint32_t standing_ask_pid(uint64_t ask) { return (uint32_t)ask >> 8; }

_Static_assert(sizeof(struct standing) % 8 == 0, "of 64-bit words");
_Static_assert((int)ORDERS_MAX >= (int)ORDERS, "each once, and the end");

#endif
