// SPDX-License-Identifier: MIT
/**
 * Hop 7b: the messages of `--json` and of the feed, defined here only.
 *
 * Server, tests and clients use these schemas. Fields may be added; none is renamed or removed while `v` is 1.
 */
import * as v from "valibot";

export const PROTOCOL_VERSION = 1;

const name = v.pipe(v.string(), v.minLength(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** "ok", the name of an errno, or a reason in words. */
const result = v.pipe(v.string(), v.minLength(1));

/** `t` is the wall clock in milliseconds, at the time the agent saw it. */
const stamp = { v: v.literal(PROTOCOL_VERSION), t: v.number() };

/** What the journal calls the incident, on this host and any other: `/api/incidents/ID`. */
const journaled = { id: v.optional(name) };

export const OUTCOMES = [
  "relieved",
  "handed-over",
  "kernel-first",
  "exited-by-itself",
  "unrelieved",
  "observed",
  "owner-overrode",
] as const;

export const STATES = [
  "none",
  "quiet",
  "near",
  "oom",
  "relief",
  "handed",
  "alarm",
  "gone",
] as const;

/** Watched from now on. */
export const Armed = v.object({
  ...stamp,
  type: v.literal("armed"),
  guard: name,
  cgroup: v.string(),
  hierarchy: v.picklist(["v1", "v2"]),
  delay_ms: count,
  margin_bytes: count,
  /** The orders are carried out: "at-oom", or "before", the margin under the limit. */
  when: v.optional(v.string()),
  allow_kill: v.boolean(),
  /** Granted, and needed by an order: "kill", "limits", "move", "hooks"; none: it only observes. */
  powers: v.array(v.string()),
  /** Tried in this order, in the words of a config file, without amounts, paths and commands: "raise", "kill=newest", "kill-group=all". */
  orders: v.array(v.string()),
});

export const IncidentOpened = v.object({
  ...stamp,
  type: v.literal("incident.opened"),
  guard: name,
  incident: name,
  ...journaled,
  /** When it happened: `t` is when the agent saw it. */
  opened_t: v.optional(v.number()),
  cause: v.string(),
});

export const IncidentStep = v.object({
  ...stamp,
  type: v.literal("incident.step"),
  guard: name,
  incident: name,
  ...journaled,
  step: v.string(),
  /** "system": of the host as a whole, and in the journal only. */
  by: v.picklist(["handler", "watchdog", "spare", "system"]),
  pid: v.optional(count),
  comm: v.optional(v.string()),
  /** Anonymous memory of the process. */
  rss_bytes: v.optional(count),
  /** Memory charged to the group. */
  usage_bytes: v.optional(count),
  /** Of the host as a whole: memory that was left. */
  available_bytes: v.optional(count),
  /** Of "raise": added to the limits in all; "reclaim": reclaimed; "freeze": held by the child that is frozen. */
  bytes: v.optional(count),
  /** Of "slept": so long the thread was seen in the group's OOM, to 5 ms or a thirtieth of the time since it began. */
  slept_us: v.optional(count),
  /** Of "would": what lacks its power. */
  order: v.optional(v.string()),
  /** Killed with the victim, or as a group. */
  processes: v.optional(count),
  /** Why this process: "largest", "newest", "fastest", "weight", "unexplained" or "busiest" (native/steps.h, enum evidence). */
  evidence: v.optional(v.string()),
  /** Why it was given to the kernel, or why another watcher took the switch. */
  reason: v.optional(v.string()),
  result,
  at_us: count,
});

/** The program of the order "hook": of this guard, for this incident; it may go on behind its end. */
export const Hook = v.object({
  ...stamp,
  type: v.literal("hook"),
  guard: name,
  incident: name,
  ...journaled,
  /** "failed": it could not be started, `result` says why. */
  event: v.picklist(["started", "ended", "failed"]),
  program: v.string(),
  pid: v.optional(count),
  /** Of "ended": one of the two. */
  exit_code: v.optional(count),
  signal: v.optional(v.string()),
  duration_ms: v.optional(count),
  result,
});

/** What the host as a whole is called where a guard has its name. */
export const SYSTEM = "system";

/** The system guard: the host as a whole. */
export const System = v.object({
  ...stamp,
  type: v.literal("system"),
  event: v.picklist([
    "armed",
    "low",
    "would-terminate",
    "would-kill",
    "terminate",
    "kill",
    "dead",
    "hand-over",
    "relieved",
  ]),
  /** From "low" to "relieved". */
  incident: v.optional(name),
  ...journaled,
  /** Of "low": when it happened; from then on `at_us` counts. */
  opened_t: v.optional(v.number()),
  at_us: v.optional(count),
  available_bytes: count,
  /** Of "low". */
  swap_free_bytes: v.optional(count),
  /** Of "low": "memory" or "pressure". */
  cause: v.optional(v.string()),
  pid: v.optional(count),
  comm: v.optional(v.string()),
  /** Its anonymous memory and swap. */
  rss_bytes: v.optional(count),
  /** Of "hand-over": why there was no kill any more. */
  reason: v.optional(v.string()),
  /** Of "low": "system", or none: it only observes. */
  powers: v.optional(v.array(v.string())),
  result,
});

/** A process of the group, of which the kernel killed it, as its log says, or that has ended. */
export const KernelKill = v.object({ pid: count, comm: v.string(), rss_bytes: count });

export const IncidentClosed = v.object({
  ...stamp,
  type: v.literal("incident.closed"),
  guard: name,
  incident: name,
  ...journaled,
  outcome: v.picklist(OUTCOMES),
  reason: v.string(),
  duration_us: count,
  /** Page faults of the handler between the event and the relief; the promise is 0. */
  faults: count,
  /** Absent where it killed nobody, and where its log does not say whom. */
  kernel_killed: v.optional(v.array(KernelKill)),
  /** Of one that was left to a designated handler or a hook: who was there and has ended in it. Whoever killed them has not told us. */
  ended: v.optional(v.array(KernelKill)),
});

/** Who answers for a group: reprieve's own handler, a designated one, or none that is at work. */
export const HANDLERS = ["own", "designated", "none"] as const;

/** Percent of the last 10 s in which some, or all, of a group waited for memory. */
export const Pressure = v.object({ some_avg10: v.number(), full_avg10: v.number() });

export const Guard = v.object({
  ...stamp,
  type: v.literal("guard"),
  guard: name,
  usage_bytes: count,
  /** null: the group has no limit any more. */
  limit_bytes: v.nullable(count),
  procs: count,
  state: v.picklist(STATES),
  handler: v.optional(v.picklist(HANDLERS)),
  /** Where the kernel tells it of the group, as it was when this was sent. */
  pressure: v.optional(Pressure),
  /** What happened outside an incident, as a step; `result` belongs to it. */
  event: v.optional(v.string()),
  result: v.optional(result),
});

/** No longer watched; what was there before is back. */
export const Released = v.object({
  ...stamp,
  type: v.literal("released"),
  guard: name,
  result,
});

/** The agent was too slow: steps were dropped, and an incident may lack its `incident.closed`. */
export const Lost = v.object({ ...stamp, type: v.literal("lost"), steps: count });

/** Whether incidents can be written down, when that has changed; until they can, the last ones are kept in memory. */
export const JournalMessage = v.object({
  ...stamp,
  type: v.literal("journal"),
  ok: v.boolean(),
  /** What is wrong, for a person. */
  remark: v.optional(v.string()),
});

export const Message = v.variant("type", [
  Armed,
  IncidentOpened,
  IncidentStep,
  IncidentClosed,
  Hook,
  System,
  Guard,
  Released,
  Lost,
  JournalMessage,
]);

// --- of the feed alone ---

const aName = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const TOPIC = /^(guards|incidents|samples:.+)$/s;
const A_TOPIC = "a topic is guards, incidents or samples:GUARD";
const topics = v.pipe(
  v.array(v.pipe(aName, v.regex(TOPIC, A_TOPIC))),
  v.maxLength(16, "at most 16 topics at once"),
);

/** The first message. */
export const Hello = v.object({
  ...stamp,
  type: v.literal("hello"),
  version: v.string(),
  /** Of this run of the agent: `since` means nothing in another one. */
  run: v.string(),
  /** Of the last message so far: what holds now follows. */
  seq: count,
  topics: v.array(v.string()),
  /** Nothing was missed since the `since` that was asked for. */
  resumed: v.boolean(),
});

/** So many messages, of all topics, were not sent: you were slow, or asked for too old ones. The newest follow. */
export const Gap = v.object({ ...stamp, type: v.literal("gap"), missed: count });

/** What each process of a guard holds: only for who subscribes to `samples:GUARD`. */
export const Samples = v.object({
  ...stamp,
  type: v.literal("samples"),
  guard: name,
  frame: v.object({
    /** When it was looked at, wall clock in ms. */
    t: v.number(),
    usage_bytes: count,
    pressure: v.optional(v.object({ some: v.number(), full: v.number() })),
    processes: v.array(
      v.object({
        pid: count,
        comm: v.string(),
        uid: count,
        anon_bytes: count,
        file_bytes: count,
        shmem_bytes: count,
        swap_bytes: count,
      }),
    ),
  }),
});

/** What a client gets. `seq` counts the messages of a run. */
export const FeedMessage = v.union([
  Hello,
  Gap,
  Samples,
  v.intersect([Message, v.object({ seq: count })]),
]);

/** What a client may say. */
export const ClientMessage = v.variant("type", [
  v.strictObject({
    type: v.literal("subscribe"),
    topics,
    /** No more often than so: of a guard only the newest state is sent then. */
    max_hz: v.optional(
      v.pipe(
        v.number(),
        v.gtValue(0, "max_hz is over 0"),
        v.maxValue(1000, "max_hz is at most 1000"),
      ),
    ),
  }),
  v.strictObject({ type: v.literal("unsubscribe"), topics }),
]);

export type Hello = v.InferOutput<typeof Hello>;
export type Samples = v.InferOutput<typeof Samples>;
export type ClientMessage = v.InferOutput<typeof ClientMessage>;
export type Armed = v.InferOutput<typeof Armed>;
export type IncidentStep = v.InferOutput<typeof IncidentStep>;
export type System = v.InferOutput<typeof System>;
export type Hook = v.InferOutput<typeof Hook>;
export type IncidentClosed = v.InferOutput<typeof IncidentClosed>;
export type Guard = v.InferOutput<typeof Guard>;
export type KernelKill = v.InferOutput<typeof KernelKill>;
export type JournalMessage = v.InferOutput<typeof JournalMessage>;
export type Message = v.InferOutput<typeof Message>;
