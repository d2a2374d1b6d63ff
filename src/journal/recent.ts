// SPDX-License-Identifier: MIT
/** The journal of a reprieve without one: the last incidents, in memory. */

import type { Message } from "../feed/protocol.ts";
import { Assembler } from "./assemble.ts";
import type { Incident } from "./incident.ts";
import type { IncidentPage, IncidentQuery, Journal, JournalState } from "./journal.ts";
import type { Minutes } from "./minute.ts";
import { incidentOf, isWanted, type Row, rowOf, summaryIn } from "./row.ts";

const KEPT_MOST = 100;
/** Of them together: a minute of 500 processes at work takes 30 KB (minute.ts). The newest always stays. */
const KEPT_MOST_BYTES = 4 << 20;

export class RecentIncidents implements Journal {
  readonly #assembler: Assembler;
  readonly #minutes: Pick<Minutes, "of">;
  /** Oldest first. */
  readonly #rows = new Map<string, Row>();
  #bytes = 0;

  constructor(run: string, minutes: Pick<Minutes, "of">) {
    this.#assembler = new Assembler(run);
    this.#minutes = minutes;
  }

  accept(message: Message): void {
    const incident = this.#assembler.accept(message);
    if (incident === undefined) return;
    const row = rowOf(this.#minutes.of(incident));
    this.#bytes += bytesOf(row) - bytesOf(this.#rows.get(row.id));
    this.#rows.set(row.id, row);
    for (const [id, one] of this.#rows) {
      if (this.#rows.size <= KEPT_MOST && this.#bytes <= KEPT_MOST_BYTES) break;
      if (id === row.id) continue;
      this.#bytes -= bytesOf(one);
      this.#rows.delete(id);
    }
  }

  list(query: IncidentQuery): IncidentPage {
    const { limit, before } = query;
    const all = [...this.#rows.values()].reverse();
    const start = before === undefined ? 0 : all.findIndex(({ id }) => id === before) + 1;
    const isKnown = before === undefined || start > 0;
    const found = (isKnown ? all.slice(start) : []).filter((row) => isWanted(row, query));
    const page = found.slice(0, limit);
    return {
      incidents: page.map(summaryIn),
      next: found.length > limit ? (page.at(-1)?.id ?? null) : null,
    };
  }

  get(id: string): Incident | undefined {
    const row = this.#rows.get(id);
    return row === undefined ? undefined : incidentOf(row);
  }

  state(): JournalState {
    return { ok: true, written: 0, kept_in_memory: this.#rows.size };
  }
}

// --- internal ---

/** Text is kept by two bytes a character at most. */
function bytesOf(row: Row | undefined): number {
  return row === undefined ? 0 : 2 * row.summary.length + row.incident.byteLength;
}
