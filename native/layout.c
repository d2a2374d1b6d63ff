/* SPDX-License-Identifier: MIT */
/*
 * Prints the contract (region.h) as TypeScript: offsets, sizes, limits and every enum.
 * Runs on the build machine only; `make` pipes it to src/native/layout.ts.
 */
#include "explain.h"
#include "history.h"
#include "probe.h"
#include "region.h"
#include "replay.h"
#include "system.h"
#include <stddef.h>
#include <stdio.h>

struct entry {
	const char *name;
	unsigned long long value;
};

#define ENTRY(...)          \
	{                   \
		__VA_ARGS__ \
	}
#define SIZE(s) ENTRY(#s, sizeof(struct s))
#define AT(s, f) ENTRY(#s "_" #f, offsetof(struct s, f))
#define INNER(s, f, g) ENTRY(#s "_" #f "_" #g, offsetof(struct s, f.g))
#define LIMIT(n) ENTRY(#n, n)
/* E(STEP_, SEEN) is "SEEN": the prefix is the object's name. */
#define E(prefix, n) ENTRY(#n, prefix##n)

static const struct entry size[] = {
	SIZE(region),	SIZE(helper),	 SIZE(log),	   SIZE(log_record), SIZE(guard),
	SIZE(standing), SIZE(weighing),	 SIZE(weigh_rule), SIZE(snapshot),   SIZE(recorder),
	SIZE(history),	SIZE(explained), SIZE(replayed),   SIZE(probe),	     SIZE(system_page),
};

static const struct entry at[] = {
	AT(region, layout),
	AT(region, guards_max),
	AT(region, size_bytes),
	AT(region, standing_offset),
	AT(region, weighings_offset),
	AT(region, weighings),
	AT(region, recorder_offset),
	AT(region, sleeps_in),
	AT(region, stop),
	AT(region, hour_cap),
	AT(region, is_watched),
	AT(region, run),
	AT(region, sampling_source),
	AT(region, guards_used),
	AT(region, helpers),
	AT(region, logs),
	AT(region, guards),
	AT(helper, ready),
	AT(helper, locked_kb),
	AT(helper, lock_result),
	AT(helper, hurry_result),
	AT(helper, events_result),
	AT(log, head),
	AT(log, tail),
	AT(log, dropped),
	AT(log, size),
	AT(log, records_at),
	AT(log_record, t_ns),
	AT(log_record, bytes),
	AT(log_record, start_time),
	AT(log_record, guard),
	AT(log_record, incident),
	AT(log_record, step),
	AT(log_record, arg),
	AT(log_record, result),
	AT(log_record, pid),
	AT(log_record, comm),
	AT(log_record, reserved),
	AT(guard, path),
	AT(guard, margin_bytes),
	AT(guard, delay_ms),
	AT(guard, flags),
	AT(guard, want),
	AT(guard, tree),
	AT(guard, name_at),
	AT(guard, sample_far_ms),
	AT(guard, sample_near_ms),
	AT(guard, inode),
	INNER(guard, designated, pid),
	INNER(guard, designated, uid),
	AT(guard, attached),
	AT(guard, state),
	AT(guard, high),
	AT(guard, judged),
	AT(guard, incident),
	AT(guard, usage_bytes),
	AT(guard, limit_bytes),
	AT(guard, procs),
	AT(guard, unsampled_groups),
	AT(guard, pressure_result),
	AT(standing, orders),
	AT(standing, raise_by_bytes),
	AT(standing, raise_most_bytes),
	AT(standing, move_to),
	AT(standing, incident_cap),
	AT(standing, hour_cap),
	AT(standing, rank_by),
	AT(standing, grace_ms),
	AT(standing, weighing),
	AT(standing, hook),
	AT(standing, hook_bound_ms),
	AT(standing, hook_result),
	AT(standing, hook_begun),
	AT(standing, hook_done),
	AT(standing, asked),
	INNER(standing, raised, added_bytes),
	INNER(standing, raised, limit_bytes),
	AT(weighing, rules),
	AT(weighing, rule),
	AT(weighing, text),
	AT(weigh_rule, uid),
	AT(weigh_rule, percent),
	AT(weigh_rule, name),
	AT(weigh_rule, exe),
	AT(weigh_rule, cgroup),
	AT(snapshot, start_time),
	AT(snapshot, pid),
	AT(snapshot, uid),
	AT(snapshot, file_pages),
	AT(snapshot, shmem_pages),
	AT(snapshot, swap_pages),
	AT(snapshot, oom_score_adj),
	AT(snapshot, comm),
	AT(recorder, snapshots),
	AT(recorder, scan_cpu_ns),
	AT(recorder, events_lost),
	AT(recorder, latest),
	AT(history, now),
	AT(history_frame, t_us),
	AT(history_frame, usage_bytes),
	AT(history_frame, some),
	AT(history_frame, full),
	AT(history_frame, processes),
	AT(history_frame, process),
	AT(replayed, start_time),
	AT(replayed, pid),
	AT(replayed, uid),
	AT(replayed, pages),
	AT(replayed, grown),
	AT(replayed, oom_score_adj),
	AT(replayed, percent),
	AT(replayed, name),
	AT(explained, start_time),
	AT(explained, pid),
	AT(explained, uid),
	AT(explained, anon_pages),
	AT(explained, base_pages),
	AT(explained, score_pages),
	AT(explained, percent),
	AT(explained, grown_pages),
	AT(explained, why),
	AT(explained, oom_score_adj),
	AT(explained, comm),
	AT(system_page, orders),
	AT(system_page, now),
	AT(system_page, ready),
	AT(system_page, lock_result),
	AT(system_page, sysrq_result),
	AT(system_page, pressure_result),
	AT(system_page, log),
	AT(system_orders, memory),
	AT(system_orders, swap),
	AT(system_orders, pressure),
	AT(system_orders, is_full),
	AT(system_orders, over_s),
	AT(system_orders, allowed),
	AT(system_orders, hands_over),
	AT(system_orders, incident_cap),
	AT(system_orders, hour_cap),
	AT(system_orders, weighing),
	AT(probe, ready),
	AT(probe, go),
	AT(probe, done),
	AT(probe, open_result),
	AT(probe, pipe_result),
};

static const struct entry limit[] = {
	LIMIT(PATH_BYTES),
	LIMIT(SYMBOL_BYTES),
	LIMIT(COMM_BYTES),
	LIMIT(LOG_FILLS_SHARE),
	LIMIT(REGION_LAYOUT),
	LIMIT(ROLES),
	LIMIT(ORDERS_MAX),
	LIMIT(KILLS_PER_INCIDENT_MAX),
	LIMIT(CAPS_MOST),
	LIMIT(V2_PATIENCE),
	LIMIT(HOOK_SIGNAL),
	LIMIT(VICTIM_BOUND_MS),
	LIMIT(HANDED_OVER_BOUND_MS),
	LIMIT(PROCS_MAX),
	LIMIT(GROUPS_MAX),
	LIMIT(CANDIDATES_MAX),
	LIMIT(KILL_MIN_BYTES),
	LIMIT(WEIGH_RULES_MAX),
	LIMIT(WEIGH_TEXT_BYTES),
	LIMIT(WEIGH_MOST),
	LIMIT(SAMPLE_FAR_MS),
	LIMIT(SAMPLE_NEAR_MS),
};

static const struct entry fd[] = {
	E(FD_, REGION), E(FD_, AGENT), E(FD_, CONTROL), E(FD_, HANDLER), E(FD_, WATCHDOG),
	E(FD_, SPARE),	E(FD_, DOOR),  E(FD_, LEDGER),	E(FD_, LISTEN),
};

static const struct entry role[] = {
	E(ROLE_, HANDLER),
	E(ROLE_, WATCHDOG),
	E(ROLE_, SPARE),
	E(ROLE_, DOOR),
};

static const struct entry want[] = {
	E(WANT_, NOTHING),
	E(WANT_, ATTACHED),
	E(WANT_, ARMED),
	E(WANT_, GIVEN_UP),
};

static const struct entry state[] = {
	E(GUARD_, NONE),   E(GUARD_, QUIET),  E(GUARD_, NEAR),	E(GUARD_, OOM),
	E(GUARD_, RELIEF), E(GUARD_, HANDED), E(GUARD_, ALARM), E(GUARD_, GONE),
};

static const struct entry source[] = {
	E(SOURCE_, SCAN),
	E(SOURCE_, EVENTS),
	E(SOURCE_, BOTH),
};

static const struct entry flag[] = {
	E(GUARD_, ALLOW_KILL), E(GUARD_, OWNED),       E(GUARD_, ALLOW_LIMITS),
	E(GUARD_, ALLOW_MOVE), E(GUARD_, ALLOW_HOOKS), E(GUARD_, BEFORE),
};

static const struct entry order[] = {
	E(ORDER_, RAISE),     E(ORDER_, RECLAIM),    E(ORDER_, FREEZE),		E(ORDER_, MOVE),
	E(ORDER_, KILL),      E(ORDER_, KILL_GROUP), E(ORDER_, KILL_GROUP_ALL), E(ORDER_, HOOK),
	E(ORDER_, TERMINATE), E(ORDER_, HAND_OVER),
};

static const struct entry rank_by[] = {
	E(RANK_, LARGEST),
	E(RANK_, NEWEST),
	E(RANK_, FASTEST),
	E(RANK_, WEIGHT),
};

static const struct entry step[] = {
	E(STEP_, OPENED),      E(STEP_, SEEN),		 E(STEP_, CHOSE),
	E(STEP_, WOULD_KILL),  E(STEP_, KILL),		 E(STEP_, MRELEASE),
	E(STEP_, VICTIM_DEAD), E(STEP_, RELIEF),	 E(STEP_, GAVE_UP),
	E(STEP_, HANDED_OVER), E(STEP_, HANDLER_KILLED), E(STEP_, CLOSED),
	E(STEP_, ENGAGED),     E(STEP_, DISENGAGED),	 E(STEP_, TOOK_OVER),
	E(STEP_, PUT_BACK),    E(STEP_, GONE),		 E(STEP_, CHILD_RESET),
	E(STEP_, ALARM),       E(STEP_, WOKE),		 E(STEP_, DISARMED_BY_OTHER),
	E(STEP_, MENDED),      E(STEP_, CHILD_LEFT),	 E(STEP_, DESIGNATED),
	E(STEP_, RESIGNED),    E(STEP_, KILL_GROUP),	 E(STEP_, RAISE),
	E(STEP_, RECLAIM),     E(STEP_, FREEZE),	 E(STEP_, MOVE),
	E(STEP_, THAW),	       E(STEP_, GIVEN_BACK),	 E(STEP_, WOULD),
	E(STEP_, HOOK),	       E(STEP_, TERMINATE),	 E(STEP_, ROOM),
	E(STEP_, SLEPT),       E(STEP_, LEFT_TO),
};

static const struct entry cause[] = {
	E(CAUSE_, OOM),
	E(CAUSE_, KERNEL_KILL),
	E(CAUSE_, STARVING),
	E(CAUSE_, NEAR),
};

static const struct entry evidence[] = {
	E(EVIDENCE_, LARGEST), E(EVIDENCE_, UNEXPLAINED), E(EVIDENCE_, BUSIEST),
	E(EVIDENCE_, NEWEST),  E(EVIDENCE_, FASTEST),	  E(EVIDENCE_, WEIGHT),
};

static const struct entry outcome[] = {
	E(OUTCOME_, RELIEVED),	       E(OUTCOME_, HANDED_OVER), E(OUTCOME_, KERNEL_FIRST),
	E(OUTCOME_, EXITED_BY_ITSELF), E(OUTCOME_, UNRELIEVED),	 E(OUTCOME_, OBSERVED),
	E(OUTCOME_, OWNER_OVERRODE),
};

static const struct entry system_step[] = {
	E(SYSTEM_, LOW),  E(SYSTEM_, WOULD),	 E(SYSTEM_, TERMINATE), E(SYSTEM_, KILL),
	E(SYSTEM_, DEAD), E(SYSTEM_, HAND_OVER), E(SYSTEM_, RELIEVED),
};

static const struct entry system_cause[] = {
	E(SYSTEM_BY_, MEMORY),
	E(SYSTEM_BY_, PRESSURE),
};

static const struct entry reason[] = {
	E(REASON_, NONE),	   E(REASON_, KILLED),	       E(REASON_, DEADLINE),
	E(REASON_, HANDLER_DEAD),  E(REASON_, HANDLER_UNSEEN), E(REASON_, NO_CANDIDATE),
	E(REASON_, KILL_CAP),	   E(REASON_, BURST),	       E(REASON_, OBSERVING),
	E(REASON_, NO_KILL_SEEN),  E(REASON_, AGENT_DEAD),     E(REASON_, RELEASED),
	E(REASON_, OWNER_DEAD),	   E(REASON_, OWNER_SILENT),   E(REASON_, GROUP_GONE),
	E(REASON_, KERNEL_KILLED), E(REASON_, NOT_RELIEVED),   E(REASON_, HANDLER_ASLEEP),
	E(REASON_, BUDGET),	   E(REASON_, DESIGNATED),     E(REASON_, SWITCH_WRITTEN),
	E(REASON_, RAISED),	   E(REASON_, RECLAIMED),      E(REASON_, MOVED),
	E(REASON_, NO_ORDER_LEFT), E(REASON_, HOUR_CAP),       E(REASON_, HOST_CAP),
	E(REASON_, HOOK),	   E(REASON_, TERMINATED),     E(REASON_, ORDERED),
};

static const struct entry why[] = {
	E(WHY_, CANDIDATE),  E(WHY_, ELSEWHERE), E(WHY_, INIT),	   E(WHY_, OURS),
	E(WHY_, UNKILLABLE), E(WHY_, KERNEL),	 E(WHY_, BROUGHT), E(WHY_, SMALL),
	E(WHY_, BEYOND),     E(WHY_, UNREAD),
};

_Static_assert(GUARD_STATES == 8, "a new state is printed here too");

static void print_object(const char *name, const struct entry *entries, size_t n)
{
	printf("export const %s = {\n", name);
	for (size_t i = 0; i < n; i++)
		printf("  %s: %llu,\n", entries[i].name, entries[i].value);
	printf("} as const;\n\n");
}

#define PRINT(object) print_object(#object, object, sizeof(object) / sizeof(*object))

int main(void)
{
	printf("// SPDX-License-Identifier: MIT\n"
	       "/** The contract of native/region.h. Written by native/layout.c: do not edit. "
	       "*/\n\n");
	PRINT(size);
	PRINT(at);
	PRINT(limit);
	PRINT(fd);
	PRINT(role);
	PRINT(want);
	PRINT(state);
	PRINT(source);
	PRINT(flag);
	PRINT(order);
	PRINT(rank_by);
	/* By order. */
	printf("export const order_bound_ms: readonly number[] = [");
	for (int i = 0; i < ORDERS; i++)
		printf("%s%u", i ? ", " : "", order_bound_ms((enum order)i));
	printf("];\n\n");
	PRINT(step);
	PRINT(cause);
	PRINT(evidence);
	PRINT(outcome);
	PRINT(system_step);
	PRINT(system_cause);
	PRINT(reason);
	PRINT(why);
	return 0;
}
