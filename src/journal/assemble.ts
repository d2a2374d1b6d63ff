// SPDX-License-Identifier: MIT
/** Messages -> incidents. No clock and no I/O. Bounded: one open incident a guard, so many steps each. */

import type { Armed, Hook, IncidentStep, Message } from "../feed/protocol.ts";
import type { Incident, Victim } from "./incident.ts";

/** More than any incident in the fault matrix has by ten times. */
const STEPS_MOST = 1000;
const HOOKS_MOST = 100;
const KILLS: ReadonlySet<string> = new Set(["kill", "terminate"]);

type Opened = Extract<Message, { type: "incident.opened" }>;
type Closed = Extract<Message, { type: "incident.closed" }>;

interface Open {
  readonly opened: Opened;
  readonly steps: IncidentStep[];
  readonly hooks: Hook[];
}

export class Assembler {
  readonly #run: string;
  readonly #armed = new Map<string, Armed>();
  /** By guard. */
  readonly #open = new Map<string, Open>();
  /** The last of each guard: its hook may end later. */
  readonly #closed = new Map<string, Incident>();
  #count = 0;

  /** `run` is nobody else's: with a number behind it, it is the id of an incident. */
  constructor(run: string) {
    this.#run = run;
  }

  /** An incident that is over, or has got a hook since then. */
  accept(message: Message): Incident | undefined {
    switch (message.type) {
      case "armed":
        this.#armed.set(message.guard, message);
        return undefined;
      case "incident.opened":
        this.#open.set(message.guard, { opened: message, steps: [], hooks: [] });
        return undefined;
      case "incident.step": {
        const open = this.#openOf(message);
        if (open !== undefined && open.steps.length < STEPS_MOST) open.steps.push(message);
        return undefined;
      }
      case "hook":
        return this.#hook(message);
      case "incident.closed":
        return this.#close(message);
      case "released":
        this.#armed.delete(message.guard);
        this.#open.delete(message.guard);
        this.#closed.delete(message.guard);
        return undefined;
      default:
        return undefined;
    }
  }

  // --- internal ---

  #openOf(message: IncidentStep | Hook | Closed): Open | undefined {
    const open = this.#open.get(message.guard);
    return open !== undefined && isSame(open.opened, message) ? open : undefined;
  }

  #hook(message: Hook): Incident | undefined {
    const open = this.#openOf(message);
    if (open !== undefined) {
      if (open.hooks.length < HOOKS_MOST) open.hooks.push(message);
      return undefined;
    }
    const closed = this.#closed.get(message.guard);
    if (closed === undefined || !isSame(closed, message)) return undefined;
    const more = { ...closed, hooks: [...closed.hooks, message] };
    this.#closed.set(message.guard, more);
    return more;
  }

  #close(message: Closed): Incident | undefined {
    const open = this.#openOf(message);
    if (open === undefined) return undefined; // its beginning was lost
    this.#open.delete(message.guard);
    const armed = this.#armed.get(message.guard);
    const rule = open.steps.find(({ evidence }) => evidence !== undefined)?.evidence;
    const incident: Incident = {
      id: message.id ?? `${this.#run}-${++this.#count}`,
      guard: message.guard,
      incident: message.incident,
      cgroup: armed?.cgroup ?? "",
      outcome: message.outcome,
      reason: message.reason,
      opened_t: open.opened.opened_t ?? open.opened.t,
      duration_us: message.duration_us,
      victims: victimsOf(open.steps),
      ...(message.kernel_killed && { kernel_killed: message.kernel_killed }),
      ...(rule !== undefined && { rule }),
      cause: open.opened.cause,
      steps: open.steps,
      hooks: open.hooks,
      faults: message.faults,
      orders: armed?.orders ?? [],
      powers: armed?.powers ?? [],
      delay_ms: armed?.delay_ms ?? 0,
      frames: [],
      processes: {},
      sleepers: [],
      recovered: false,
    };
    this.#closed.set(message.guard, incident);
    return incident;
  }
}

// --- internal ---

/** A group that comes back may have the number of its guard again, but not the id. */
function isSame(one: Pick<Opened, "id" | "incident">, other: Pick<Opened, "id" | "incident">) {
  return one.id === undefined || other.id === undefined
    ? one.incident === other.incident
    : one.id === other.id;
}

/** Each once: who was asked to end may be killed after that. */
function victimsOf(steps: readonly IncidentStep[]): Victim[] {
  const victims = steps.flatMap(({ step, pid, comm = "", rss_bytes, by }) => {
    if (!KILLS.has(step) || pid === undefined) return [];
    return [[pid, { pid, comm, by, ...(rss_bytes !== undefined && { rss_bytes }) }] as const];
  });
  return [...new Map(victims).values()];
}
