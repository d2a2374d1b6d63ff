// SPDX-License-Identifier: MIT
/** Messages -> incidents. No clock and no I/O. Bounded: one open incident a guard, so many steps each. */

import type { Armed, Hook, IncidentStep, Message } from "../feed/protocol.ts";
import { SystemAssembler } from "./assemble-system.ts";
import type { Incident } from "./incident.ts";
import { STEPS_MOST, sleepersOf, victimsOf } from "./kept-steps.ts";

const HOOKS_MOST = 100;

type Opened = Extract<Message, { type: "incident.opened" }>;
type Closed = Extract<Message, { type: "incident.closed" }>;

/** How it ended. */
type End = Pick<Incident, "outcome" | "reason" | "kernel_killed" | "ended" | "faults">;

const UNSEEN: End = { outcome: "unknown", reason: "unseen", faults: 0 };

interface Open {
  readonly opened: Opened;
  readonly limitBytes: number | undefined;
  readonly steps: IncidentStep[];
  readonly hooks: Hook[];
}

export class Assembler {
  readonly #run: string;
  readonly #armed = new Map<string, Armed>();
  readonly #limits = new Map<string, number | null>();
  /** By id; the end of one may be told when the next one of its guard has begun. */
  readonly #open = new Map<string, Open>();
  /** The last of each guard: its hook may end later. */
  readonly #closed = new Map<string, Incident>();
  readonly #system = new SystemAssembler();
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
      case "guard":
        if (message.state === "gone") this.#limits.delete(message.guard);
        else this.#limits.set(message.guard, message.limit_bytes);
        return undefined;
      case "incident.opened": {
        const limitBytes = this.#limits.get(message.guard) ?? undefined;
        this.#open.set(keyOf(message), { opened: message, limitBytes, steps: [], hooks: [] });
        return undefined;
      }
      case "incident.step": {
        const open = this.#open.get(keyOf(message));
        if (open !== undefined && open.steps.length < STEPS_MOST) open.steps.push(message);
        return undefined;
      }
      case "hook":
        return this.#hook(message);
      case "incident.closed":
        return this.#close(message);
      case "system":
        return this.#system.accept(message);
      case "released":
        this.#armed.delete(message.guard);
        this.#limits.delete(message.guard);
        for (const [key, { opened }] of this.#open) {
          if (opened.guard === message.guard) this.#open.delete(key);
        }
        this.#closed.delete(message.guard);
        return undefined;
      default:
        return undefined;
    }
  }

  /** What was begun and whose end nobody saw. */
  unfinished(): Incident[] {
    const all = [...this.#open.values()].map((open) => this.#incident(open, UNSEEN, lastUs(open)));
    this.#open.clear();
    return [...all, ...this.unfinishedOfHost("unseen")];
  }

  /** The system guard dies with its agent: of that nobody else tells. */
  unfinishedOfHost(reason: string): Incident[] {
    return this.#system.unfinished(reason);
  }

  // --- internal ---

  #hook(message: Hook): Incident | undefined {
    const open = this.#open.get(keyOf(message));
    if (open !== undefined) {
      if (open.hooks.length < HOOKS_MOST) open.hooks.push(message);
      return undefined;
    }
    const closed = this.#closed.get(message.guard);
    const isOther =
      message.id === undefined ? closed?.incident !== message.incident : closed?.id !== message.id;
    if (closed === undefined || isOther) return undefined;
    const more = { ...closed, hooks: [...closed.hooks, message] };
    this.#closed.set(message.guard, more);
    return more;
  }

  #close(message: Closed): Incident | undefined {
    const open = this.#open.get(keyOf(message));
    if (open === undefined) return undefined; // its beginning was lost
    this.#open.delete(keyOf(message));
    const incident = this.#incident(open, message, message.duration_us);
    this.#closed.set(message.guard, incident);
    return incident;
  }

  #incident({ opened, limitBytes, steps, hooks }: Open, end: End, durationUs: number): Incident {
    const armed = this.#armed.get(opened.guard);
    const rule = steps.find(({ evidence }) => evidence !== undefined)?.evidence;
    return {
      id: opened.id ?? `${this.#run}-${++this.#count}`,
      guard: opened.guard,
      incident: opened.incident,
      cgroup: armed?.cgroup ?? "",
      outcome: end.outcome,
      reason: end.reason,
      opened_t: opened.opened_t ?? opened.t,
      duration_us: durationUs,
      victims: victimsOf(steps),
      ...(end.kernel_killed && { kernel_killed: end.kernel_killed }),
      ...(end.ended && { ended: end.ended }),
      ...(rule !== undefined && { rule }),
      cause: opened.cause,
      steps,
      hooks,
      faults: end.faults,
      orders: armed?.orders ?? [],
      powers: armed?.powers ?? [],
      delay_ms: armed?.delay_ms ?? 0,
      ...(limitBytes !== undefined && { limit_bytes: limitBytes }),
      frames: [],
      processes: {},
      sleepers: sleepersOf(steps),
      recovered: false,
    };
  }
}

// --- internal ---

function lastUs({ steps }: Open): number {
  return Math.max(0, ...steps.map((step) => step.at_us));
}

/** A group that comes back may have the number of its guard again, but not the id. */
function keyOf({ id, incident }: Pick<Opened, "id" | "incident">): string {
  return id ?? incident;
}
