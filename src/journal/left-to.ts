// SPDX-License-Identifier: MIT
/** Who may have killed without our knowing it. Pure; shared with the page. */

import type { IncidentSummary } from "./incident.ts";

export type LeftTo = "the kernel" | "the designated handler" | "the hook";

const TO_KERNEL: readonly string[] = [
  "handed-over",
  "kernel-first",
  "observed",
  "owner-overrode",
  "unknown",
  "unrelieved",
] satisfies IncidentSummary["outcome"][];

/** Where an incident names nobody; null: nobody was killed. The kernel's log does not always say whom it killed. */
export function leftTo({
  outcome,
  reason,
}: Pick<IncidentSummary, "outcome" | "reason">): LeftTo | null {
  if (TO_KERNEL.includes(outcome)) return "the kernel";
  if (reason === "designated") return "the designated handler";
  return reason === "hook" ? "the hook" : null;
}
