// SPDX-License-Identifier: MIT
/** The journal of a reprieve without one: the last incidents, in memory. */

import type { Message } from "../feed/protocol.ts";
import { Assembler } from "./assemble.ts";
import { type Incident, summaryOf } from "./incident.ts";
import type { IncidentPage, IncidentQuery, Journal, JournalState } from "./journal.ts";

/** A few hundred steps each at most, 200 bytes a step: some MB in the worst case. */
const KEPT_MOST = 100;

export class RecentIncidents implements Journal {
  readonly #assembler: Assembler;
  /** Oldest first. */
  readonly #incidents = new Map<string, Incident>();

  constructor(run: string) {
    this.#assembler = new Assembler(run);
  }

  accept(message: Message): void {
    const incident = this.#assembler.accept(message);
    if (incident === undefined) return;
    this.#incidents.set(incident.id, incident);
    const [oldest] = this.#incidents.keys();
    if (this.#incidents.size > KEPT_MOST && oldest !== undefined) this.#incidents.delete(oldest);
  }

  list({ guard, outcome, from = 0, to = Infinity, limit, before }: IncidentQuery): IncidentPage {
    const all = [...this.#incidents.values()].reverse();
    const start = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
    const isKnown = before === undefined || start > 0;
    const found = (isKnown ? all.slice(start) : []).filter(
      (one) =>
        (guard === undefined || one.guard === guard) &&
        (outcome === undefined || one.outcome === outcome) &&
        one.opened_t >= from &&
        one.opened_t < to,
    );
    const page = found.slice(0, limit);
    return {
      incidents: page.map(summaryOf),
      next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  get(id: string): Incident | undefined {
    return this.#incidents.get(id);
  }

  state(): JournalState {
    return { ok: true, written: 0, kept_in_memory: this.#incidents.size };
  }

  stop(): void {}
}
