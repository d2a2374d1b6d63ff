// SPDX-License-Identifier: MIT
/** Which guards are shown, and in which order. Pure. */

import { isNamed } from "../journal/named.ts";
import { shareOf } from "./format.ts";
import type { Row, State } from "./types.ts";
import { STATE_RANK, STATES } from "./words.ts";

export const COLUMNS = [
  "state",
  "guard",
  "usage",
  "limit",
  "pressure",
  "procs",
  "handler",
  "reprieve",
  "last",
] as const;
export type Column = (typeof COLUMNS)[number];

export interface Wanted {
  readonly text: string;
  readonly show: Show;
  readonly sort: Column;
  readonly isDescending: boolean;
}

/** The chips above the table. */
export const SHOWS = {
  all: () => true,
  trouble: ({ state }: Row) => STATE_RANK[state] <= STATE_RANK.relief,
  near: ({ state }: Row) => state === "near",
  observing: ({ powers }: Row) => powers.length === 0,
} as const;
export type Show = keyof typeof SHOWS;

/** Numbers from the most, words from the first. */
export function startsDescending(column: Column): boolean {
  return ["usage", "limit", "pressure", "procs", "last"].includes(column);
}

export function wantedOf(query: URLSearchParams): Wanted {
  const column = COLUMNS.find((name) => name === query.get("sort"));
  const sort = column ?? "state";
  const direction = query.get("dir");
  return {
    text: query.get("q") ?? "",
    show: (Object.keys(SHOWS) as Show[]).find((name) => name === query.get("show")) ?? "all",
    sort,
    isDescending: direction === null ? startsDescending(sort) : direction === "desc",
  };
}

/** Without what is the default. */
export function fieldsOf({ text, show, sort, isDescending }: Wanted): Record<string, string> {
  return {
    q: text,
    show: show === "all" ? "" : show,
    sort: sort === "state" ? "" : sort,
    dir: isDescending === startsDescending(sort) ? "" : isDescending ? "desc" : "asc",
  };
}

export function selected(rows: Iterable<Row>, { text, show, sort, isDescending }: Wanted): Row[] {
  const found = [...rows].filter((row) => SHOWS[show](row) && isNamed(wordsIn(row), text));
  const compare = COMPARE[sort];
  const sign = isDescending ? -1 : 1;
  return found.sort((a, b) => sign * compare(a, b) || byShare(b, a) || byName(a, b));
}

// --- internal ---

function wordsIn({ guard, cgroup, state, handler, orders }: Row): string[] {
  return [guard, cgroup, state, wordOf(state), handler, ...orders];
}

function wordOf(state: State): string {
  return STATES[state]?.word ?? state;
}

type Compare = (a: Row, b: Row) => number;

const byName: Compare = (a, b) => (a.guard < b.guard ? -1 : a.guard > b.guard ? 1 : 0);
const byShare: Compare = (a, b) => shareOfRow(a) - shareOfRow(b);

const COMPARE: Readonly<Record<Column, Compare>> = {
  state: (a, b) => STATE_RANK[a.state] - STATE_RANK[b.state],
  guard: byName,
  usage: byShare,
  limit: (a, b) => (a.limit_bytes ?? Number.MAX_VALUE) - (b.limit_bytes ?? Number.MAX_VALUE),
  pressure: (a, b) => (a.pressure?.some_avg10 ?? -1) - (b.pressure?.some_avg10 ?? -1),
  procs: (a, b) => a.procs - b.procs,
  handler: (a, b) => (a.handler < b.handler ? -1 : a.handler > b.handler ? 1 : 0),
  reprieve: (a, b) => remaining(a) - remaining(b) || a.delay_ms - b.delay_ms,
  last: (a, b) => (a.last?.t ?? 0) - (b.last?.t ?? 0),
};

function shareOfRow({ usage_bytes, limit_bytes }: Row): number {
  return shareOf(usage_bytes, limit_bytes) ?? -1;
}

/** Whose reprieve runs comes first. */
function remaining({ incident }: Row): number {
  return incident === null ? 1 : 0;
}
