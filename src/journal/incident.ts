// SPDX-License-Identifier: MIT
/** An incident as it is kept, exported and shown: the one definition. Fields may be added; none is renamed or removed. */

import * as v from "valibot";
import { Hook, IncidentStep, KernelKill, OUTCOMES } from "../feed/protocol.ts";

/** Of one whose end nobody saw, as all of ours died in it, it is not known. */
export const KEPT_OUTCOMES = [...OUTCOMES, "unknown"] as const;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Killed, or asked to end, by us. */
export const Victim = v.object({
  pid: count,
  comm: v.string(),
  rss_bytes: v.optional(count),
  by: v.string(),
});

export const IncidentSummary = v.object({
  /** URL-safe, and nobody else's on any host. */
  id: v.string(),
  guard: v.string(),
  /** "host": of the system guard, the host as a whole; absent: of a group. */
  scope: v.optional(v.literal("host")),
  /** Of its guard: what the feed calls it. */
  incident: v.string(),
  /** "" of the host as a whole. */
  cgroup: v.string(),
  outcome: v.picklist(KEPT_OUTCOMES),
  reason: v.string(),
  /** Wall clock, ms. */
  opened_t: v.number(),
  duration_us: count,
  victims: v.array(Victim),
  kernel_killed: v.optional(v.array(KernelKill)),
  /** Who has ended in one that was left to a designated handler or a hook. */
  ended: v.optional(v.array(KernelKill)),
  /** Why the first victim was chosen. */
  rule: v.optional(v.string()),
});

/** What the processes of a group held at one time: pid and anonymous memory of each. */
export const Frame = v.object({
  /** In an incident relative to its event, negative before it. */
  t_us: v.number(),
  usage_bytes: count,
  /** cgroup v2: in percent of the last 10 s; absent where nobody waited for memory. */
  pressure: v.optional(v.object({ some: v.number(), full: v.number() })),
  processes: v.array(v.tuple([count, count])),
});

/** Of the pids in frames. */
export const Processes = v.record(
  v.string(),
  v.object({
    comm: v.string(),
    uid: count,
    start: v.number(),
    oom_score_adj: v.number(),
    file_bytes: count,
    shmem_bytes: count,
    swap_bytes: count,
  }),
);

export const Sleeper = v.object({ pid: count, comm: v.string(), slept_us: count });

const RECOVERED = `Written by another agent than the one that watched, which was killed: out of what that one and its helpers left. \
Then limit_bytes is the limit as last sampled, or as it was before a raise in the incident; hooks are what that agent had told of them, while the steps \
say how each ended in the incident; kernel_killed is what the kernel's log still has of the time, by its own clock, and absent where two \
incidents could have it; outcome is "unknown" where nobody saw the end.`;

export const Incident = v.object({
  ...IncidentSummary.entries,
  cause: v.string(),
  steps: v.array(IncidentStep),
  hooks: v.array(Hook),
  faults: count,
  orders: v.array(v.string()),
  powers: v.array(v.string()),
  delay_ms: count,
  /** Of the group, when it opened; absent where it was not known. */
  limit_bytes: v.optional(count),
  frames: v.array(Frame),
  processes: Processes,
  sleepers: v.array(Sleeper),
  recovered: v.pipe(v.boolean(), v.description(RECOVERED)),
});

export type Victim = v.InferOutput<typeof Victim>;
export type IncidentSummary = v.InferOutput<typeof IncidentSummary>;
export type Incident = v.InferOutput<typeof Incident>;
export type Frame = v.InferOutput<typeof Frame>;
export type Processes = v.InferOutput<typeof Processes>;
export type Sleeper = v.InferOutput<typeof Sleeper>;

/** What a list shows of it. */
export function summaryOf(incident: Incident): IncidentSummary {
  return v.parse(IncidentSummary, incident);
}

/** As the orders want it; else somebody may want to look. */
export function isResolved({ outcome }: Pick<Incident, "outcome">): boolean {
  return outcome === "relieved" || outcome === "exited-by-itself";
}
