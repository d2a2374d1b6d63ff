// SPDX-License-Identifier: MIT
/** What reprieves tell of their guards -> the lines of `status` and `watch`. Pure. Names of groups and processes are hostile. */

import type { JournalMessage, System } from "../feed/protocol.ts";
import type { GuardView } from "../http/schema.ts";
import type { IncidentSummary } from "../journal/incident.ts";
import { bytes, milliseconds, visible } from "../shown.ts";
import { durationOf, killedIn, secondOf } from "./incident-text.ts";
import { type Colour, type Column, cut, endOf, type Paper, painted, table } from "./table.ts";
import { linesOf } from "./timeline.ts";

/** A reprieve, as far as it was told. */
export interface AgentSeen {
  readonly pid?: number | undefined;
  readonly url: string;
  /** By its clock, ms. */
  readonly now: number;
  /** Undefined: it answers. Wall clock, ms. */
  readonly gone?: { readonly since: number; readonly why: string } | undefined;
  readonly guards: readonly GuardView[];
  readonly incidents: readonly IncidentSummary[];
  /** What its system guard has said last; undefined: it has none. */
  readonly system?: System | undefined;
  /** What it has said of its journal last. */
  readonly journal?: JournalMessage | undefined;
}

export interface ProcessSeen {
  readonly pid: number;
  readonly comm: string;
  readonly uid: number;
  readonly anon_bytes: number;
  readonly file_bytes: number;
  readonly shmem_bytes: number;
  readonly swap_bytes: number;
}

/** Of one guard. */
export interface GuardSeen {
  readonly agent: AgentSeen;
  /** Undefined: there is none of that name now. */
  readonly guard: GuardView | undefined;
  readonly processes: readonly ProcessSeen[];
}

/** Lines of a screen, and which of its rows they have: those that there is no room for are reached by `from`. */
export interface Part {
  readonly lines: readonly string[];
  readonly from: number;
  readonly shown: number;
}

const BAR_CELLS = 10;
/** Where there is no terminal whose height would say it. */
const PROCESSES_MOST = 20;
const INCIDENTS_MOST = 5;
/** At least, of a terminal's height: beside many rows. */
const INCIDENTS_SHARE = 1 / 5;
const FACT_CELLS = 10;
const KEYS = "arrows, PgUp, PgDn, Home, End";

/** Of all guards, trouble first. */
export function statusPart(agents: readonly AgentSeen[], paper: Paper, from = 0): Part {
  const rows = agents
    .flatMap(({ guards, now }) => guards.map((guard) => ({ guard, now })))
    .sort((a, b) => rankOf(a.guard) - rankOf(b.guard) || compare(a.guard.guard, b.guard.guard));
  const head = [...agents.flatMap((agent) => headLines(agent, paper)), ""];
  const table = { columns: COLUMNS, rows, what: "guards", most: rows.length };
  if (rows.length === 0) head.push("no guards");
  return partOf({ head, table, last: agents, paper, from });
}

/** Of one guard. */
export function guardPart({ agent, guard, processes }: GuardSeen, paper: Paper, from = 0): Part {
  const head = [...headLines(agent, paper), ""];
  if (guard === undefined) {
    return { lines: [...head, "there is no such guard now"], from: 0, shown: 0 };
  }
  head.push(
    painted(cut(visible(guard.guard), paper.width), "bold", paper),
    ...factsOf(guard, agent.now, paper.width),
  );
  const rows = processes.toSorted((a, b) => b.anon_bytes - a.anon_bytes);
  if (rows.length > 0) head.push("");
  const most = Number.isFinite(paper.height) ? rows.length : PROCESSES_MOST;
  const table = { columns: PROCESS_COLUMNS, rows, what: "processes", most };
  return partOf({ head, table, last: [agent], paper, from });
}

// --- internal ---

interface Screenful<Row> {
  readonly head: readonly string[];
  readonly table: {
    readonly columns: readonly Column<Row>[];
    readonly rows: readonly Row[];
    readonly what: string;
    readonly most: number;
  };
  /** Whose last incidents. */
  readonly last: readonly AgentSeen[];
  readonly paper: Paper;
  readonly from: number;
}

function partOf<Row>({ head, table: all, last, paper, from }: Screenful<Row>): Part {
  const { columns, rows, what, most } = all;
  const [titles = "", ...lines] = rows.length === 0 ? [] : table(columns, rows, paper);
  const below = paper.height - head.length - 1; // the titles
  const spare = Math.max(below - rows.length, Math.floor(paper.height * INCIDENTS_SHARE));
  const incidents = lastLines(last, paper, spare);
  const room = Math.max(2, below - incidents.length);
  const shown = Math.min(most, rows.length <= room ? rows.length : room - 1);
  const begin = Math.max(0, Math.min(from, rows.length - shown));
  const part = `${what} ${begin + 1} to ${begin + shown} of ${rows.length}`;
  const isAll = shown === rows.length;
  return {
    lines: [
      ...head,
      ...(rows.length === 0 ? [] : [titles, ...lines.slice(begin, begin + shown)]),
      ...(isAll
        ? []
        : [cut(Number.isFinite(paper.height) ? `${part}: ${KEYS}` : part, paper.width)]),
      ...incidents,
    ].slice(0, paper.height),
    from: begin,
    shown,
  };
}

interface Row {
  readonly guard: GuardView;
  readonly now: number;
}

/** Trouble first. */
const RANKS = ["alarm", "oom", "handed", "relief", "near", "quiet", "none", "gone"];

const STATE_COLOURS: Readonly<Record<string, Colour>> = {
  alarm: "red",
  oom: "red",
  handed: "yellow",
  relief: "yellow",
  near: "yellow",
};

const COLUMNS: readonly Column<Row>[] = [
  { title: "GUARD", cell: ({ guard }) => guard.guard },
  {
    title: "STATE",
    cell: ({ guard }) => guard.state,
    colour: ({ guard }) => STATE_COLOURS[guard.state],
  },
  { title: "", cell: ({ guard }) => barOf(guard), dispensable: 2 },
  { title: "USAGE", cell: ({ guard }) => bytes(guard.usage_bytes), isRight: true },
  { title: "LIMIT", cell: ({ guard }) => limitOf(guard), isRight: true, dispensable: 1 },
  { title: "PROCS", cell: ({ guard }) => String(guard.procs), isRight: true, dispensable: 3 },
  { title: "PRESSURE", cell: ({ guard }) => someOf(guard), isRight: true, dispensable: 4 },
  { title: "HANDLER", cell: ({ guard }) => guard.handler, dispensable: 5 },
  { title: "INCIDENT", cell: ({ guard, now }) => leftOf(guard, now), colour: () => "red" },
];

const PROCESS_COLUMNS: readonly Column<ProcessSeen>[] = [
  { title: "NAME", cell: ({ comm }) => comm },
  { title: "PID", cell: ({ pid }) => String(pid), isRight: true },
  { title: "UID", cell: ({ uid }) => String(uid), isRight: true, dispensable: 1 },
  { title: "ANON", cell: (one) => bytes(one.anon_bytes), isRight: true },
  { title: "FILE", cell: (one) => bytes(one.file_bytes), isRight: true, dispensable: 4 },
  { title: "SHMEM", cell: (one) => bytes(one.shmem_bytes), isRight: true, dispensable: 2 },
  { title: "SWAP", cell: (one) => bytes(one.swap_bytes), isRight: true, dispensable: 3 },
];

const INCIDENT_COLUMNS: readonly Column<IncidentSummary>[] = [
  { title: "LAST OF", cell: ({ guard }) => guard },
  { title: "WHEN", cell: (one) => secondOf(one.opened_t), dispensable: 1 },
  { title: "OUTCOME", cell: ({ outcome }) => outcome },
  { title: "AFTER", cell: (one) => durationOf(one.duration_us), isRight: true, dispensable: 3 },
  { title: "KILLED", cell: killedIn, dispensable: 2 },
  { title: "INCIDENT", cell: ({ id }) => id, dispensable: 4 },
];

/** With what of it concerns no guard. */
function headLines({ pid, url, guards, gone, system, journal }: AgentSeen, paper: Paper): string[] {
  const name = pid === undefined ? "reprieve" : `reprieve ${pid}`;
  const count = guards.length === 1 ? "1 guard" : `${guards.length} guards`;
  const line = (text: string, colour?: Colour) =>
    painted(cut(text, paper.width), gone === undefined ? colour : "red", paper);
  const isCalm = system?.event === "armed" || system?.event === "relieved";
  return [
    gone === undefined
      ? line(`${name}  ${count}  ${visible(url)}`)
      : line(
          `${name}  GONE since ${secondOf(gone.since)}, shown as it was: ${visible(gone.why)}  ${visible(url)}`,
        ),
    ...(journal?.ok === false ? linesOf(journal).map((text) => line(text, "yellow")) : []),
    ...(system === undefined
      ? []
      : linesOf(system).map((text) =>
          line(`${secondOf(system.t)}  ${text.trimStart()}`, isCalm ? undefined : "yellow"),
        )),
  ];
}

function factsOf(guard: GuardView, now: number, width: number): string[] {
  const { pressure, incident } = guard;
  const usage = `${barOf(guard)}  ${bytes(guard.usage_bytes)} of ${limitOf(guard)}`.trimStart();
  const facts: readonly (readonly [string, string])[] = [
    ["group", endOf(visible(guard.cgroup), width - FACT_CELLS)],
    ["state", guard.state],
    ["usage", `${usage}, ${guard.procs === 1 ? "1 process" : `${guard.procs} processes`}`],
    [
      "delay",
      `${milliseconds(guard.delay_ms)}, margin ${bytes(guard.margin_bytes)}, ${visible(guard.when)}`,
    ],
    ["orders", guard.orders.map(visible).join(", ")],
    [
      "powers",
      guard.powers.length === 0 ? "none: it only observes" : guard.powers.map(visible).join(", "),
    ],
    ["handler", guard.handler],
    ...(pressure === null
      ? []
      : [["pressure", `some ${pressure.some_avg10} %, full ${pressure.full_avg10} %`] as const]),
    ...(incident === null ? [] : [["incident", leftOf(guard, now)] as const]),
  ];
  return facts.map(([name, text]) => cut(`${name.padEnd(FACT_CELLS)}${text}`, width));
}

/** No more lines than that. */
function lastLines(agents: readonly AgentSeen[], paper: Paper, room: number): string[] {
  const last = agents
    .flatMap(({ incidents }) => incidents)
    .sort((a, b) => b.opened_t - a.opened_t)
    .slice(0, Math.max(0, Math.min(INCIDENTS_MOST, room - 2))); // a blank line, the titles
  if (last.length === 0) return [];
  return ["", ...table(INCIDENT_COLUMNS, last, paper)];
}

function barOf({ usage_bytes: used, limit_bytes: limit }: GuardView): string {
  if (limit === null || limit === 0) return "";
  const full = Math.min(BAR_CELLS, Math.round((used / limit) * BAR_CELLS));
  return "█".repeat(full) + "░".repeat(BAR_CELLS - full);
}

function limitOf({ limit_bytes: limit }: GuardView): string {
  return limit === null ? "no limit" : bytes(limit);
}

function someOf({ pressure }: GuardView): string {
  return pressure === null ? "" : `${pressure.some_avg10.toFixed(1)} %`;
}

/** Of its delay, to a tenth of what one reads. */
function leftOf({ incident, delay_ms: delay }: GuardView, now: number): string {
  if (incident === null) return "";
  const name = `#${visible(incident.incident.split("#").at(-1) ?? "")}`;
  const left = Math.ceil(incident.deadline_t - now);
  if (left <= 0) return `${name}, its ${milliseconds(delay)} are over`;
  const rounded = left < 1000 ? left : Math.ceil(left / 100) * 100;
  return `${name}, ${milliseconds(rounded)} of ${milliseconds(delay)} left`;
}

function rankOf({ state, incident }: GuardView): number {
  return RANKS.indexOf(state) - (incident === null ? 0 : RANKS.length);
}

/** t2 before t10. */
const { compare } = new Intl.Collator("en", { numeric: true });
