/* SPDX-License-Identifier: MIT */
/*
 * Who writes the switch of a group, when, and what if he stops or dies in between. README.md says how this is run and
 * read. A step is an `inline` that prints its name; the C code names it where it takes it: "model: NAME".
 *
 * Where a watcher stands between two steps is a variable, so that it can stop and die anywhere. Time is left out: what
 * has a bound in the code happens sooner or later here. Without TREE: one group, and everything that can happen to it.
 * With TREE: a parent and a child inside their margins, and an agent that does not end.
 */

#ifdef NO_LEDGER
#define LEDGER 0 /* broken on purpose */
#else
#define LEDGER 1
#endif

#define PARENT	 0
#define CHILD	 1
#define WATCHDOG 0
#define SPARE	 1
#define NOBODY	 2
#define NOTHING	 0

/* --- what the kernel has --- */

/* A group's memory. FULL: somebody sleeps at the limit, or spins there when the killer is on. STUCK: the same, and
 * nobody is left whom a kill would help. */
#define FAR   0
#define NEAR  1
#define FULL  2
#define STUCK 3
byte level[2];
bit off[2];		/* THE SWITCH. 1: the kernel does not kill */
byte oom_lock = NOBODY; /* whose sleeper holds the one lock of the tree */

/* An OOM shows in all groups below. It is the child's own when the parent has none (memcg_oom()). */
#define under_oom(g) (level[g] >= FULL || level[PARENT] >= FULL)
#define in_oom(g)    (level[g] >= FULL && (g == PARENT || level[PARENT] < FULL))

/* --- what is shared --- */

byte owner = WATCHDOG; /* of the switch */
bit incident[2];	    /* is open */
bit armed[2];	    /* the guard's state is not GUARD_NONE */
bit wants_stop;
bit ledger = LEDGER;

#define RUNS	0
#define STOPPED 1
#define DEAD	2
#define ENDED	3 /* by itself */
byte agent = RUNS;
#define is_over (wants_stop || agent >= DEAD)

/* --- what a watcher has --- */

byte status[2];
byte survivor = NOBODY; /* a watcher that no fault meets any more */

/* Where it stands. */
#define WAITS	  0
#define LOOKS	  1 /* at guard[w] */
#define CLOSES	  2
#define WRITES	  3 /* it has asked whether it owns the switch, the write is next */
#define TELLS	  4 /* it has written, waking the other is next */
#define BEATS	  5
#define RETURNS	  6 /* puts guard[w] back */
#define RETURNING 7 /* it owns the switch, which is off; asking once more is next */
#define RETURNED  8
#define LEAVES	  9
byte at[2];
bit guard[2];

/* How the owner sees a guard (enum guard_state). */
#define NONE	0
#define QUIET	1
#define HOLDING 2 /* GUARD_NEAR */
#define OOM	3
#define RELIEF	4
#define HANDED	5
#define FREED	6 /* GUARD_HANDED, and nobody waits: that has to hold until the next look */
#define ALARM	7
byte state[4];
#define seen_by(w, g) state[(w) * 2 + (g)]
#define is_kernels(w, g) (seen_by(w, g) == QUIET || seen_by(w, g) >= HANDED)

/* What it writes. */
#define HOLD	 1
#define LET_GO	 2
#define MEND	 3 /* to let go, and go on with the look */
#define PUT_BACK 4
byte writes[2];

/* What has come in. */
#define WAKE  1 /* its control eventfd, or somebody's death */
#define EVENT 2 /* an eventfd of the kernel */
byte inbox[2];

/* An event (event_ns), which the owner, if it is the other, has to show that it has seen. 2: it has begun a turn since;
 * 3: and ended it. */
byte heard[2];
bit silent[2]; /* was stopped since its last beat */
bit ticks[2];  /* looks again though nothing comes in: an ancestor is in OOM */

/* Does epoll_wait return? Where only safety is looked at, it may at any time: nothing has to come in, which is more
 * than can happen, and fewer states. */
#ifdef LIVENESS
#define is_due(w) \
	(inbox[w] || ticks[w] || (heard[w] && owner != w) || is_over || seen_by(w, PARENT) >= HOLDING || \
		seen_by(w, CHILD) >= HOLDING)
#define may_be_silent(w) heard[w]
#else
#define is_due(w)	 true
#define may_be_silent(w) true
#endif

#define other(w) (1 - (w))
#define gone(w)	 (status[w] >= DEAD)

/* Broken on purpose: only the guard that fired is looked at. */
#ifdef ONLY_FIRED
bit fired[4];
#define fires(w, g)  fired[(w) * 2 + (g)] = 1
#define looked(w, g) fired[(w) * 2 + (g)] = 0
#define skips(w, g)  (seen_by(w, g) <= HOLDING && !fired[(w) * 2 + (g)])
#else
#define fires(w, g)  skip
#define looked(w, g) skip
#define skips(w, g)  false
#endif

inline wake(w)
{
#ifdef LIVENESS
	if
	:: !gone(w) && inbox[w] == NOTHING -> inbox[w] = WAKE
	:: else
	fi
#else
	skip
#endif
}

inline signal(w)
{
#ifdef LIVENESS
	if
	:: !gone(w) -> inbox[w] = EVENT
	:: else
	fi
#else
	skip
#endif
}

inline wake_both()
{
	wake(WATCHDOG);
	wake(SPARE)
}

/* --- steps of the kernel and of a group --- */

inline kernel_unlocks(g)
{
	if
	:: oom_lock == g -> oom_lock = NOBODY
	:: else
	fi
}

/* A threshold at the margin. */
inline kernel_signals_margin(g, to)
{
	printf("kernel_signals_margin %d: %d\n", g, to);
	level[g] = to;
	signal(WATCHDOG);
	signal(SPARE);
	fires(WATCHDOG, g);
	fires(SPARE, g)
}

/* The listeners of the group and of all below it hear of its OOM, unless the lock of that subtree is held: then nobody
 * does. */
inline kernel_signals_oom(g, how)
{
	printf("kernel_signals_oom %d: %d, lock held by %d\n", g, how, oom_lock);
	level[g] = how;
	if
	:: oom_lock == NOBODY ->
		signal(WATCHDOG);
		signal(SPARE);
		fires(WATCHDOG, CHILD);
		fires(SPARE, CHILD);
		if
		:: g == PARENT ->
			fires(WATCHDOG, PARENT);
			fires(SPARE, PARENT)
		:: else
		fi;
		if
		:: off[g] -> oom_lock = g /* while it sleeps */
		:: else
		fi
	:: else
	fi
}

inline group_is_relieved(g)
{
	printf("group_is_relieved %d\n", g);
	level[g] = NEAR;
	kernel_unlocks(g)
}

/* Who finds nobody to kill tries again and again, and each time the event is signalled. */
#define spins(g) (level[g] == STUCK && !off[g] && oom_lock == NOBODY)
#define is_told(w) (gone(w) || inbox[w] == EVENT)

active proctype kernel()
{
end:	do
	:: d_step { spins(PARENT) && !(is_told(WATCHDOG) && is_told(SPARE)) -> kernel_signals_oom(PARENT, STUCK) }
	:: d_step { spins(CHILD) && !(is_told(WATCHDOG) && is_told(SPARE)) -> kernel_signals_oom(CHILD, STUCK) }
	:: d_step { level[PARENT] == FULL && !off[PARENT] -> group_is_relieved(PARENT) }
	:: d_step { level[CHILD] == FULL && !off[CHILD] -> group_is_relieved(CHILD) }
	od
}

/* --- steps of a watcher --- */

inline forget(w)
{
	seen_by(w, PARENT) = NONE;
	seen_by(w, CHILD) = NONE
}

/* What it knew dies with it, and its pidfd wakes the other. */
inline dies(w, how)
{
	status[w] = how;
	at[w] = WAITS;
	guard[w] = PARENT;
	forget(w);
	writes[w] = NOTHING;
	inbox[w] = NOTHING;
	heard[w] = 0;
	silent[w] = 0;
	ticks[w] = 0;
	looked(w, PARENT);
	looked(w, CHILD);
	wake(other(w));
	if
	:: survivor == w -> survivor = NOBODY
	:: else
	fi
}

/* Finds out where a guard stands. */
inline watcher_resumes(w, g)
{
	if
	:: incident[g] && off[g] -> seen_by(w, g) = OOM
	:: incident[g] && !off[g] -> seen_by(w, g) = HANDED
	:: !incident[g] && off[g] -> seen_by(w, g) = HOLDING
	:: else -> seen_by(w, g) = QUIET
	fi
}

inline next_guard(w)
{
	if
#ifdef TREE
	:: guard[w] == PARENT ->
		guard[w] = CHILD;
		at[w] = LOOKS
#endif
	:: else ->
		guard[w] = PARENT;
		at[w] = BEATS
	fi
}

inline watcher_wakes(w)
{
	printf("%d: watcher_wakes\n", w);
#ifdef LIVENESS
	if
	:: inbox[w] == EVENT || (is_over && !heard[w]) -> heard[w] = 1
	:: else
	fi;
	if
	:: owner == w && heard[other(w)] == 1 -> heard[other(w)] = 2
	:: else
	fi;
#endif
	inbox[w] = NOTHING;
	ticks[w] = 0;
	if
	:: is_over -> at[w] = RETURNS
	:: else -> at[w] = LOOKS
	fi
}

inline watcher_takes_over(w)
{
	printf("%d: watcher_takes_over\n", w);
	owner = w;
	silent[w] = 0; /* the other would have to wait for a beat first */
	forget(other(w)); /* what it thought of them is used no more */
	watcher_resumes(w, PARENT);
	watcher_resumes(w, CHILD)
}

/* Not the owner: is the owner dead, or without a beat though there is something to do? */
inline watcher_oversees(w)
{
#ifdef LIVENESS
	if
	:: heard[w] == 3 && !incident[PARENT] && !incident[CHILD] -> heard[w] = 0
	:: heard[w] && heard[w] < 3 -> wake(other(w))
	:: !heard[w] && (incident[PARENT] || incident[CHILD]) -> heard[w] = 1
	:: else
	fi;
#endif
	if
	:: gone(other(w)) || (may_be_silent(w) && silent[other(w)]) -> watcher_takes_over(w)
	:: else -> at[w] = BEATS
	fi
}

/* From the question who owns the switch to the write no time need pass, but any may. */
inline switch_asks(w, what)
{
	writes[w] = what;
	at[w] = WRITES
}

inline switch_writes(w, g)
{
	printf("%d: switch_writes %d: %d\n", w, g, writes[w]);
	assert(owner == w || silent[w]); /* one writer: or it was stopped between the question and the write */
	off[g] = (writes[w] == HOLD);
	if
	:: !off[g] -> kernel_unlocks(g) /* who slept is woken */
	:: off[g] && level[g] >= FULL -> kernel_signals_oom(g, level[g]) /* who spun goes to sleep */
	:: else
	fi;
	at[w] = TELLS
}

inline switch_tells(w)
{
	printf("%d: switch_tells\n", w);
	wake(other(w));
	if
	:: writes[w] == PUT_BACK -> at[w] = RETURNED
	:: writes[w] == LET_GO -> next_guard(w)
	:: else -> at[w] = LOOKS
	fi;
	writes[w] = NOTHING
}

/* The rows of verdict.c. A guard that moved is looked at again, unless time has to pass for its next row. */
inline quiet_opens(w, g) { printf("%d: quiet_opens %d\n", w, g); seen_by(w, g) = HANDED; incident[g] = 1; next_guard(w) }
inline quiet_joins(w, g) { printf("%d: quiet_joins %d\n", w, g); seen_by(w, g) = HANDED; next_guard(w) }
inline quiet_holds(w, g) { printf("%d: quiet_holds %d\n", w, g); seen_by(w, g) = HOLDING; switch_asks(w, HOLD) }
inline near_opens(w, g) { printf("%d: near_opens %d\n", w, g); seen_by(w, g) = OOM; incident[g] = 1; next_guard(w) }
inline near_joins(w, g) { printf("%d: near_joins %d\n", w, g); seen_by(w, g) = RELIEF; next_guard(w) }
inline near_yields(w, g) { printf("%d: near_yields %d\n", w, g); seen_by(w, g) = QUIET }
inline near_is_unfit(w, g) { printf("%d: near_is_unfit %d\n", w, g); seen_by(w, g) = QUIET; switch_asks(w, LET_GO) }
inline near_is_far(w, g) { printf("%d: near_is_far %d\n", w, g); seen_by(w, g) = QUIET; switch_asks(w, LET_GO) }
inline oom_is_free(w, g) { printf("%d: oom_is_free %d\n", w, g); seen_by(w, g) = RELIEF; next_guard(w) }
inline oom_yields(w, g) { printf("%d: oom_yields %d\n", w, g); seen_by(w, g) = HANDED; next_guard(w) }
inline oom_hands_over(w, g) { printf("%d: oom_hands_over %d\n", w, g); seen_by(w, g) = HANDED; switch_asks(w, LET_GO) }
inline relief_fails(w, g) { printf("%d: relief_fails %d\n", w, g); seen_by(w, g) = OOM }
inline relief_yields(w, g) { printf("%d: relief_yields %d\n", w, g); seen_by(w, g) = HANDED; next_guard(w) }
inline relief_holds(w, g) { printf("%d: relief_holds %d\n", w, g); seen_by(w, g) = HOLDING; at[w] = CLOSES }
inline handed_is_free(w, g) { printf("%d: handed_is_free %d\n", w, g); seen_by(w, g) = QUIET; at[w] = CLOSES }
inline handed_alarms(w, g) { printf("%d: handed_alarms %d\n", w, g); seen_by(w, g) = ALARM; at[w] = CLOSES }
inline alarm_is_free(w, g) { printf("%d: alarm_is_free %d\n", w, g); seen_by(w, g) = QUIET }

/* The switch is off and no state of ours wants it so. */
inline switch_is_mended(w) { printf("%d: switch_is_mended\n", w); switch_asks(w, MEND) }

/* No row. All states but QUIET tick anyway. */
inline stays(w, g)
{
#ifdef LIVENESS
	ticks[w] = ticks[w] || (seen_by(w, g) == QUIET && under_oom(g));
#endif
	looked(w, g);
	next_guard(w)
}

inline watcher_looks(w, g)
{
	armed[g] = 1;
	if
	:: skips(w, g) -> next_guard(w)
	:: !skips(w, g) && off[g] && is_kernels(w, g) -> switch_is_mended(w)
	:: !skips(w, g) && !off[g] && seen_by(w, g) == QUIET ->
		if
		:: in_oom(g) -> quiet_opens(w, g)
		:: !in_oom(g) && incident[g] -> quiet_joins(w, g)
		:: !in_oom(g) && !incident[g] && level[g] == NEAR -> quiet_holds(w, g)
		:: else -> stays(w, g)
		fi
	:: !skips(w, g) && seen_by(w, g) == HOLDING ->
		if
		:: !off[g] -> near_yields(w, g)
		:: off[g] && in_oom(g) -> near_opens(w, g)
		:: off[g] && !in_oom(g) && incident[g] -> near_joins(w, g)
		:: off[g] && !in_oom(g) && !incident[g] && level[g] == FAR -> near_is_far(w, g)
		:: else -> stays(w, g)
		fi
	:: seen_by(w, g) == OOM ->
		if
		:: !off[g] -> oom_yields(w, g)
		:: off[g] && in_oom(g) -> oom_hands_over(w, g)
		:: else -> oom_is_free(w, g)
		fi
	:: seen_by(w, g) == RELIEF ->
		if
		:: !off[g] -> relief_yields(w, g)
		:: off[g] && in_oom(g) -> relief_fails(w, g)
		:: else -> relief_holds(w, g)
		fi
	:: !off[g] && seen_by(w, g) == HANDED ->
		if
		:: in_oom(g) -> handed_alarms(w, g)
		:: else -> seen_by(w, g) = FREED; next_guard(w)
		fi
	:: !off[g] && seen_by(w, g) == FREED ->
		if
		:: in_oom(g) -> seen_by(w, g) = HANDED; next_guard(w)
		:: else -> handed_is_free(w, g)
		fi
	:: !off[g] && seen_by(w, g) == ALARM ->
		if
		:: in_oom(g) -> stays(w, g)
		:: else -> alarm_is_free(w, g)
		fi
	fi
}

inline watcher_beats(w)
{
	silent[w] = 0;
	if
	:: owner == w && (heard[other(w)] == 2) -> heard[other(w)] = 3
	:: else
	fi;
	at[w] = WAITS
}

/* One guard is all there is (TREE has no ending). The agent is dead: an open incident is carried to its end first. */
inline watcher_returns(w, g)
{
	if
	:: !armed[g] -> at[w] = LEAVES
	:: armed[g] && owner == w && (wants_stop || !incident[g]) && off[g] -> at[w] = RETURNING
	:: armed[g] && owner == w && (wants_stop || !incident[g]) && !off[g] -> at[w] = RETURNED
	:: else -> at[w] = LOOKS
	fi
}

inline watcher_puts_back(w, g)
{
	printf("%d: watcher_puts_back %d\n", w, g);
	incident[g] = 0;
	armed[g] = 0;
	seen_by(w, g) = NONE;
	at[w] = RETURNS
}

inline all_is_kernels()
{
	off[PARENT] = 0;
	off[CHILD] = 0;
	oom_lock = NOBODY
}

/* The agent is dead: the owner ends the other, looks whether that has written late, and only then removes the ledger. */
inline watcher_leaves(w)
{
	printf("%d: watcher_leaves\n", w);
	if
	:: agent >= DEAD && owner == w ->
		if
		:: !gone(other(w)) -> dies(other(w), DEAD)
		:: else
		fi;
		all_is_kernels();
		ledger = 0
	:: else
	fi;
	dies(w, ENDED)
}

active [2] proctype watcher()
{
	bit me = _pid - 1; /* the kernel is 0 */

end:	do
	:: d_step {
		status[me] == RUNS && at[me] == WAITS && is_due(me) ->
		watcher_wakes(me)
	   }
	:: d_step {
		status[me] == RUNS && at[me] == LOOKS ->
		if
		:: owner != me && guard[me] == PARENT -> watcher_oversees(me)
		:: owner != me && guard[me] == CHILD -> guard[me] = PARENT; at[me] = BEATS /* lost meanwhile */
		:: owner == me && seen_by(me, guard[me]) == NONE -> watcher_resumes(me, guard[me])
		:: else -> watcher_looks(me, guard[me])
		fi
	   }
#ifndef TREE
	:: d_step { /* inside the margin, but it has yielded, or its threshold does not stand yet */
		status[me] == RUNS && at[me] == LOOKS && owner == me && seen_by(me, guard[me]) == QUIET &&
			!off[guard[me]] && !incident[guard[me]] && level[guard[me]] == NEAR ->
		stays(me, guard[me])
	   }
	:: d_step { /* its handler is dead */
		status[me] == RUNS && at[me] == LOOKS && owner == me && seen_by(me, guard[me]) == HOLDING &&
			off[guard[me]] && !incident[guard[me]] && level[guard[me]] == NEAR ->
		near_is_unfit(me, guard[me])
	   }
#endif
	:: d_step { status[me] == RUNS && at[me] == CLOSES -> incident[guard[me]] = 0; at[me] = LOOKS }
	:: d_step { status[me] == RUNS && at[me] == WRITES -> switch_writes(me, guard[me]) }
	:: d_step { status[me] == RUNS && at[me] == TELLS -> switch_tells(me) }
	:: d_step { status[me] == RUNS && at[me] == BEATS -> watcher_beats(me) }
	:: d_step { status[me] == RUNS && at[me] == RETURNS -> watcher_returns(me, guard[me]) }
	:: d_step { status[me] == RUNS && at[me] == RETURNING && owner == me -> switch_asks(me, PUT_BACK) }
	:: d_step { status[me] == RUNS && at[me] == RETURNING && owner != me -> at[me] = RETURNED }
	:: d_step { status[me] == RUNS && at[me] == RETURNED -> watcher_puts_back(me, guard[me]) }
	:: d_step { status[me] == RUNS && at[me] == LEAVES -> watcher_leaves(me) }
	od
}

/* --- all others: each may do nothing, for ever, so a handler that is stopped, stuck or dead needs no state. They are
 * one process, because fairness owes them nothing and costs a search of all states for each process --- */

/* What it has seen may be old: it was stopped meanwhile. */
inline handler_opens(g) { printf("handler_opens %d\n", g); incident[g] = 1; wake_both() }
inline handler_kills(g) { printf("handler_kills %d\n", g); group_is_relieved(g) }

inline fault_stops(w) { printf("fault_stops %d\n", w); status[w] = STOPPED; silent[w] = 1 }

inline fault_continues(w)
{
	printf("fault_continues %d\n", w);
	status[w] = RUNS;
	if
	:: at[w] == WAITS && !is_due(w) -> silent[w] = 0 /* nothing has waited for it */
	:: else
	fi
}

inline fault_kills(w) { printf("fault_kills %d\n", w); dies(w, DEAD) }

inline agent_restarts(w) { printf("agent_restarts %d\n", w); status[w] = RUNS; wake(w) }
inline agent_stops() { printf("agent_stops\n"); wants_stop = 1; wake_both() }
inline agent_dies() { printf("agent_dies\n"); agent = DEAD; wake_both() }

/* All are gone. What is left is released, unless both have ended by themselves and nothing is. */
inline agent_ends()
{
	printf("agent_ends\n");
	if
	:: ledger && (status[WATCHDOG] == DEAD || status[SPARE] == DEAD || off[PARENT]) -> all_is_kernels()
	:: else
	fi;
	ledger = 0;
	agent = ENDED
}

/* `reprieve release`, or the next start. */
inline release_puts_back()
{
	printf("release_puts_back, ledger %d\n", ledger);
	if
	:: ledger -> all_is_kernels()
	:: else
	fi;
	ledger = 0;
	assert(!off[PARENT] && !off[CHILD])
}

active proctype others()
{
	d_step {
		armed[PARENT] = 1;
#ifdef TREE
		level[PARENT] = NEAR;
		level[CHILD] = NEAR;
#endif
#ifdef LIVENESS
		survivor = SPARE;
#endif
		wake(WATCHDOG)
	}
end:	do
	:: d_step { true -> skip }

	/* our handler */
	:: d_step { level[PARENT] != FAR && !incident[PARENT] -> handler_opens(PARENT) }
	:: d_step { level[PARENT] == FULL -> handler_kills(PARENT) }

	/* the groups; the child's handler is its owner's, who opens no incident */
	:: d_step { level[PARENT] == NEAR -> kernel_signals_oom(PARENT, FULL) }
#ifdef LIVENESS
	:: d_step { level[PARENT] == NEAR -> kernel_signals_oom(PARENT, STUCK) }
#endif
	:: d_step { level[PARENT] == STUCK -> group_is_relieved(PARENT) }
#ifdef TREE
	:: d_step { level[CHILD] == NEAR -> kernel_signals_oom(CHILD, FULL) }
	:: d_step { level[CHILD] == NEAR -> kernel_signals_oom(CHILD, STUCK) }
	:: d_step { level[CHILD] == FULL -> handler_kills(CHILD) }
	:: d_step { level[CHILD] == STUCK -> group_is_relieved(CHILD) }
#else
	:: d_step { level[PARENT] == FAR -> kernel_signals_margin(PARENT, NEAR) }
	:: d_step { level[PARENT] == NEAR -> kernel_signals_margin(PARENT, FAR) }
#endif

	/* faults */
	:: d_step { !gone(WATCHDOG) && survivor != WATCHDOG -> fault_kills(WATCHDOG) }
#ifndef TREE
	:: d_step { status[WATCHDOG] == RUNS && survivor != WATCHDOG -> fault_stops(WATCHDOG) }
	:: d_step { status[WATCHDOG] == STOPPED -> fault_continues(WATCHDOG) }
	:: d_step { status[SPARE] == RUNS && survivor != SPARE -> fault_stops(SPARE) }
	:: d_step { status[SPARE] == STOPPED -> fault_continues(SPARE) }
#endif
	:: d_step { !gone(SPARE) && survivor != SPARE -> fault_kills(SPARE) }

	/* the agent. It lets 100 ms pass before it restarts one: the other has taken over by then, if it runs */
	:: d_step { agent == RUNS && !wants_stop && status[WATCHDOG] == DEAD && (owner == SPARE || status[SPARE] != RUNS) -> agent_restarts(WATCHDOG) }
	:: d_step { agent == RUNS && !wants_stop && status[SPARE] == DEAD && (owner == WATCHDOG || status[WATCHDOG] != RUNS) -> agent_restarts(SPARE) }
#ifndef TREE
	:: d_step { agent == RUNS && !wants_stop -> agent_stops() }
	:: d_step { agent == RUNS && wants_stop && gone(WATCHDOG) && gone(SPARE) -> agent_ends() }
	:: d_step { agent == RUNS -> agent_dies() }

	:: d_step { agent >= DEAD && gone(WATCHDOG) && gone(SPARE) -> release_puts_back() }
#endif
	od
}

/* --- what is promised --- */

/* A group at OOM that is neither relieved, nor with a kernel that finds somebody to kill, nor alarmed. */
#define waits(g) (survivor != NOBODY && ((level[g] == FULL && off[g]) || (level[g] == STUCK && seen_by(owner, g) != ALARM)))

/* While a watcher runs. A child at OOM behind its parent's has to wait until that is answered: the kernel tells them
 * apart only then. */
ltl answered { ([] <> !waits(PARENT)) && ([] <> (!waits(CHILD) || level[PARENT] >= FULL)) }
