// SPDX-License-Identifier: MIT
/** What the steps of an incident say of processes. Pure. */

import type { IncidentStep } from "../feed/protocol.ts";
import type { Sleeper, Victim } from "./incident.ts";

/** More than any incident in the fault matrix has by ten times. */
export const STEPS_MOST = 1000;
const KILLS: ReadonlySet<string> = new Set(["kill", "terminate"]);

/** Each once: on cgroup v2 one may sleep several times. */
export function sleepersOf(steps: readonly IncidentStep[]): Sleeper[] {
  const sleepers = new Map<number, Sleeper>();
  for (const { pid, comm = "", slept_us: us } of steps) {
    if (us === undefined || pid === undefined) continue;
    sleepers.set(pid, { pid, comm, slept_us: us + (sleepers.get(pid)?.slept_us ?? 0) });
  }
  return [...sleepers.values()];
}

/** Each once: who was asked to end may be killed after that. By the name that he had then. */
export function victimsOf(steps: readonly IncidentStep[]): Victim[] {
  const dead = steps.filter(({ step, comm }) => step === "victim-dead" && comm !== "");
  const names = new Map(dead.map(({ pid, comm }) => [pid, comm]));
  const victims = steps.flatMap(({ step, pid, comm: read = "", rss_bytes, by }) => {
    if (!KILLS.has(step) || pid === undefined) return [];
    const comm = names.get(pid) ?? read;
    return [[pid, { pid, comm, by, ...(rss_bytes !== undefined && { rss_bytes }) }] as const];
  });
  return [...new Map(victims).values()];
}
