// SPDX-License-Identifier: MIT
/** An incident as it is stored: small, its summary beside all of it. Pure. */

import * as v from "valibot";
import { Incident, type IncidentSummary, summaryOf } from "./incident.ts";
import type { IncidentQuery } from "./journal.ts";
import { isNamed } from "./named.ts";

/** Where incidents are exported to, as bits of what is owed. */
export const PLACES = { jsonl: 1, journald: 2, otlp: 4 } as const;
const OWED_TO_ALL = PLACES.jsonl | PLACES.journald | PLACES.otlp;

export interface Row {
  readonly id: string;
  readonly opened_t: number;
  readonly guard: string;
  readonly outcome: string;
  /** JSON */
  readonly summary: string;
  /** JSON, compressed by zstd. */
  readonly incident: Uint8Array;
}

/** As it goes into the file. */
export interface NewRow extends Row {
  /** Where it is still to be exported to: bits of PLACES. */
  readonly owed: number;
}

/** Where an incident stands in the order of all. */
export type Place = Pick<Row, "opened_t" | "id">;

export function rowOf(incident: Incident): Row {
  const { id, opened_t, guard, outcome } = incident;
  const all = Bun.zstdCompressSync(JSON.stringify(incident));
  const summary = JSON.stringify(summaryOf(incident));
  return { id, opened_t, guard, outcome, summary, incident: all };
}

/** Of a killed agent: what it had exported nobody knows. */
export function leftRowOf(incident: Incident): NewRow {
  return { ...rowOf(incident), owed: OWED_TO_ALL };
}

export function incidentOf({ incident }: Pick<Row, "incident">): Incident {
  return v.parse(Incident, JSON.parse(Bun.zstdDecompressSync(incident).toString()));
}

export function summaryIn({ summary }: Row): IncidentSummary {
  return JSON.parse(summary) as IncidentSummary;
}

/** For sort(): the newest first. */
export function newestFirst(a: Place, b: Place): number {
  return b.opened_t - a.opened_t || Number(a.id < b.id) - Number(a.id > b.id);
}

/** Whatever comes before it. */
export function isWanted(row: Row, query: IncidentQuery): boolean {
  const { guard, name, outcome, from = 0, to = Infinity } = query;
  return (
    (guard === undefined || row.guard === guard) &&
    (name === undefined || isNamed([row.guard], name)) &&
    (outcome === undefined || row.outcome === outcome) &&
    row.opened_t >= from &&
    row.opened_t < to
  );
}
