/* SPDX-License-Identifier: MIT */
/* Hop 4: the watchers carry out what the responder asks for (standing.h), each where its power is granted. */
#ifndef RPV_CARRY_OUT_H
#define RPV_CARRY_OUT_H

#include "log.h"
#include "orders.h"
#include "watcher.h"

/* raise.c: the owner's, for limits and the switch go together: raises what is asked for, and gives it back when the group has
 * been calm for a time and has room below. */
void carry_out_limits(struct watched *w, uint64_t now_ns);
/* Gives back what can be now, and thaws: the end of the guard. */
void carry_out_put_back(struct watched *w);
/* Is there anything to give back or to thaw? */
int carry_out_is_owed(const struct watched *w);

/* carry_out.c: what may take long: of the watcher that does not own the switch. Says whether to look again soon. */
int carry_out_slow(struct watched *w);
/* Thaws the child that is frozen. */
void carry_out_thaw(struct watched *w);

static inline struct standing *carry_out_standing(const struct watched *w)
{
	return standing_of(watcher.self.region, w->index);
}

/* What is asked for in the open incident, and not yet done (standing_ask()); 0: nothing, or it is too late. */
static inline uint64_t carry_out_wanted(const struct watched *w, const struct standing *st)
{
	uint64_t asked = shared_load(&st->asked);
	uint32_t word = shared_load(&w->guard->incident);

	return asked && asked != shared_load(&st->done) && incident_is_open(word) &&
			       asked >> 32 == word && !incident_is_handed_over(w->guard)
		       ? asked
		       : 0;
}

/* Are they the owner's, who writes the switch? */
static inline int carry_out_is_of_limits(enum order order)
{
	return order == ORDER_RAISE || order == ORDER_WAKE || order == ORDER_ROOM;
}

static inline void carry_out_answer(struct watched *w, struct standing *st, uint64_t ask,
				    struct log_record told)
{
	told.guard = w->index;
	told.incident = incident_number((uint32_t)(ask >> 32));
	log_put(watcher.self.log, told);
	st->result = told.result;
	shared_store(&st->done, ask);
}

#endif
