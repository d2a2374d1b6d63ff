// SPDX-License-Identifier: MIT
/** Messages of the system guard -> incidents of the host as a whole. No clock and no I/O. */

import { type IncidentStep, SYSTEM, type System } from "../feed/protocol.ts";
import type { Incident } from "./incident.ts";
import { STEPS_MOST, victimsOf } from "./kept-steps.ts";

/** As in incidents of guards. */
const STEPS: Readonly<Record<string, string>> = {
  dead: "victim-dead",
  "hand-over": "handed-over",
  relieved: "relief",
};

type End = Pick<Incident, "outcome" | "reason">;

interface Open {
  readonly low: System;
  readonly steps: IncidentStep[];
}

/** At most one is open. */
export class SystemAssembler {
  #open: Open | undefined;

  /** One that is over. */
  accept(message: System): Incident | undefined {
    if (message.event === "low") this.#open = { low: message, steps: [] };
    const open = this.#open;
    if (open === undefined || message.incident !== open.low.incident) return undefined;
    if (open.steps.length < STEPS_MOST) open.steps.push(stepOf(message));
    if (message.event !== "relieved") return undefined;
    this.#open = undefined;
    return this.#incident(open, endOf(open));
  }

  unfinished(reason: string): Incident[] {
    const open = this.#open;
    this.#open = undefined;
    return open === undefined ? [] : [this.#incident(open, { outcome: "unknown", reason })];
  }

  // --- internal ---

  #incident({ low, steps }: Open, end: End): Incident {
    return {
      id: low.id ?? "",
      guard: SYSTEM,
      scope: "host",
      incident: low.incident ?? "",
      cgroup: "",
      ...end,
      opened_t: low.opened_t ?? low.t,
      duration_us: Math.max(...steps.map(({ at_us }) => at_us)),
      victims: victimsOf(steps),
      cause: low.cause ?? "",
      steps,
      hooks: [],
      faults: 0,
      orders: ["terminate", "kill"],
      powers: low.powers ?? [],
      delay_ms: 0,
      frames: [],
      processes: {},
      sleepers: [],
      recovered: false,
    };
  }
}

// --- internal ---

function stepOf(message: System): IncidentStep {
  const { v, t, event, incident = "", id, pid, comm, rss_bytes, reason, result } = message;
  return {
    v,
    t,
    type: "incident.step",
    guard: SYSTEM,
    incident,
    ...(id !== undefined && { id }),
    step: STEPS[event] ?? event,
    by: "system",
    ...(pid !== undefined && { pid, comm }),
    ...(rss_bytes !== undefined && { rss_bytes }),
    available_bytes: message.available_bytes,
    ...(reason !== undefined && { reason }),
    result,
    at_us: message.at_us ?? 0,
  };
}

/** By its last step that was carried out. */
function endOf({ low, steps }: Open): End {
  if (low.powers?.length === 0) return { outcome: "observed", reason: "observing" };
  const last = steps.findLast(
    ({ step, result }) => ["terminate", "kill", "handed-over"].includes(step) && result === "ok",
  );
  switch (last?.step) {
    case "handed-over":
      return { outcome: "handed-over", reason: last.reason ?? "" };
    case "kill":
      return { outcome: "relieved", reason: "killed" };
    case "terminate":
      return { outcome: "relieved", reason: "terminated" };
    default:
      return { outcome: "exited-by-itself", reason: "no-kill-seen" };
  }
}
