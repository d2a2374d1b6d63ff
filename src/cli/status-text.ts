// SPDX-License-Identifier: MIT
/** What reprieves tell of their guards -> the lines of `status` and `watch`. Pure. Names of groups and processes are hostile. */

import type { GuardView } from "../http/schema.ts";
import type { IncidentSummary } from "../journal/incident.ts";
import { durationOf, killedIn, localTime } from "./incident-text.ts";
import { type Colour, type Column, cut, type Paper, painted, table } from "./table.ts";
import { bytes, milliseconds, visible } from "./timeline.ts";

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

const BAR_CELLS = 10;
/** Where there is no terminal whose height would say it. */
const PROCESSES_MOST = 20;
const INCIDENTS_MOST = 5;

/** Of all guards, trouble first. */
export function statusLines(agents: readonly AgentSeen[], paper: Paper): string[] {
  const rows = agents
    .flatMap(({ guards, now }) => guards.map((guard) => ({ guard, now })))
    .sort((a, b) => rankOf(a.guard) - rankOf(b.guard) || compare(a.guard.guard, b.guard.guard));
  const head = agents.map((agent) => headLine(agent, paper));
  const last = lastLines(agents, paper);
  const room = paper.height - head.length - last.length - 2; // a blank line, the titles
  const shown = rows.slice(0, rows.length <= room ? rows.length : Math.max(1, room - 1));
  const left = rows.length - shown.length;
  return [
    ...head,
    "",
    ...(rows.length === 0 ? ["no guards"] : table(COLUMNS, shown, paper)),
    ...(left === 0 ? [] : [`and ${left} more`]),
    ...last,
  ].slice(0, paper.height);
}

/** Of one guard. */
export function guardLines({ agent, guard, processes }: GuardSeen, paper: Paper): string[] {
  if (guard === undefined) return [headLine(agent, paper), "", "there is no such guard now"];
  const head = [
    headLine(agent, paper),
    "",
    painted(cut(visible(guard.guard), paper.width), "bold", paper),
    ...factsOf(guard, agent.now).map((line) => cut(line, paper.width)),
  ];
  const last = lastLines([agent], paper);
  const room = paper.height - head.length - last.length - 2;
  const shown = processes
    .toSorted((a, b) => b.anon_bytes - a.anon_bytes)
    .slice(0, Math.min(PROCESSES_MOST, Math.max(1, room)));
  return [
    ...head,
    ...(shown.length === 0 ? [] : ["", ...table(PROCESS_COLUMNS, shown, paper)]),
    ...last,
  ].slice(0, paper.height);
}

// --- internal ---

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
  { title: "WHEN", cell: (one) => secondOf(one.opened_t) },
  { title: "OUTCOME", cell: ({ outcome }) => outcome },
  { title: "AFTER", cell: (one) => durationOf(one.duration_us), isRight: true, dispensable: 1 },
  { title: "KILLED", cell: killedIn },
  { title: "INCIDENT", cell: ({ id }) => id, dispensable: 2 },
];

function headLine({ pid, url, guards, gone }: AgentSeen, paper: Paper): string {
  const name = ["reprieve", ...(pid === undefined ? [] : [pid]), ` ${visible(url)}`].join(" ");
  const count = guards.length === 1 ? "1 guard" : `${guards.length} guards`;
  if (gone === undefined) return cut(`${name}  ${count}`, paper.width);
  const since = secondOf(gone.since);
  const line = `${name}  GONE since ${since}, shown as it was: ${visible(gone.why)}`;
  return painted(cut(line, paper.width), "red", paper);
}

function factsOf(guard: GuardView, now: number): string[] {
  const { pressure, incident } = guard;
  const usage = `${barOf(guard)}  ${bytes(guard.usage_bytes)} of ${limitOf(guard)}`.trimStart();
  const facts: readonly (readonly [string, string])[] = [
    ["group", visible(guard.cgroup)],
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
  return facts.map(([name, text]) => `${name.padEnd(10)}${text}`);
}

function lastLines(agents: readonly AgentSeen[], paper: Paper): string[] {
  const last = agents
    .flatMap(({ incidents }) => incidents)
    .sort((a, b) => b.opened_t - a.opened_t)
    .slice(0, INCIDENTS_MOST);
  if (last.length === 0) return [];
  return ["", ...table(INCIDENT_COLUMNS, last, paper)];
}

function secondOf(ms: number): string {
  return localTime(ms).slice(0, "2026-11-30 13:14:07".length);
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
  const name = `#${incident.incident.split("#").at(-1)}`;
  const left = Math.ceil(incident.deadline_t - now);
  if (left <= 0) return `${name}, its ${milliseconds(delay)} are over`;
  const rounded = left < 1000 ? left : Math.ceil(left / 100) * 100;
  return `${name}, ${milliseconds(rounded)} of ${milliseconds(delay)} left`;
}

function rankOf({ state, incident }: GuardView): number {
  return RANKS.indexOf(state) - (incident === null ? 0 : RANKS.length);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
