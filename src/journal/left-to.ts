// SPDX-License-Identifier: MIT
/** Whom an incident names as dead, and who may have killed without our knowing it. Pure; shared with the page. */

import type { IncidentSummary, Victim } from "./incident.ts";

export type LeftTo = "the kernel" | "the designated handler" | "the hook";

const TO_KERNEL: readonly string[] = [
  "handed-over",
  "kernel-first",
  "observed",
  "owner-overrode",
  "unknown",
  "unrelieved",
] satisfies IncidentSummary["outcome"][];

/** Killed by us, by the kernel as far as its log says, or ended while the incident was left to others. */
export function diedIn({
  victims,
  kernel_killed: byKernel = [],
  ended = [],
}: Pick<IncidentSummary, "victims" | "kernel_killed" | "ended">): Omit<Victim, "by">[] {
  return [...victims, ...byKernel, ...ended];
}

/** Null: all who were killed are named. The kernel's log does not always say whom it killed. */
export function leftTo({
  outcome,
  reason,
  kernel_killed: byKernel,
}: Pick<IncidentSummary, "outcome" | "reason" | "kernel_killed">): LeftTo | null {
  if (TO_KERNEL.includes(outcome)) return byKernel === undefined ? "the kernel" : null;
  if (reason === "designated") return "the designated handler";
  return reason === "hook" ? "the hook" : null;
}
