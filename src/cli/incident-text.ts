// SPDX-License-Identifier: MIT
/** An incident that was kept -> lines for a person. Pure. Names of groups and processes are hostile. */

import { PROTOCOL_VERSION } from "../feed/protocol.ts";
import type { Frame, Incident, IncidentSummary } from "../journal/incident.ts";
import { diedIn, type LeftTo, leftTo } from "../journal/left-to.ts";
import { bytes, milliseconds, visible } from "../shown.ts";
import { type Column, type Paper, table } from "./table.ts";
import { linesOf } from "./timeline.ts";

const BARS = "▁▂▃▄▅▆▇█";
/** A second each, where there is room. */
const BUCKETS = 60;
const BUCKETS_LEAST = 10;
const BEFORE_US = 60_000_000;
/** Of the processes of the minute before, those that held the most. */
const SHOWN_MOST = 5;

/** One, where several are of one line each. */
export function incidentLine(one: IncidentSummary): string {
  const parts = [localTime(one.opened_t), visible(one.id), visible(one.guard), one.outcome];
  return [...parts, durationOf(one.duration_us), killedIn(one)].join("  ");
}

/** Several, to be looked at one by one: each has its id. */
export function incidentTable(all: readonly IncidentSummary[], paper: Paper): string[] {
  return table(COLUMNS, all, paper);
}

/** By us, by the kernel, or by whom it was left to. */
export function killedIn(one: IncidentSummary): string {
  const [first, ...more] = diedIn(one);
  if (first === undefined) return nobodyNamed(leftTo(one));
  return `${processName(first)}${more.length === 0 ? "" : ` and ${more.length} more`}`;
}

/** That nobody was killed is said only where we know it. */
export function nobodyNamed(left: LeftTo | null): string {
  return left === null ? "nobody was killed" : `not known: left to ${left}`;
}

/** All of one; what can be drawn narrower is no wider than that. */
export function incidentLines(one: Incident, width = Number.POSITIVE_INFINITY): string[] {
  const { cause, outcome, guard, incident, opened_t: t } = one;
  const of = { v: PROTOCOL_VERSION, t, guard, incident } as const;
  return [
    `${visible(one.id)}  ${localTime(one.opened_t)}`,
    one.scope === "host" ? "group   the host as a whole" : `group   ${visible(one.cgroup)}`,
    `orders  ${one.orders.map(visible).join(", ")}; delay ${milliseconds(one.delay_ms)}`,
    `powers  ${one.powers.length === 0 ? "none: it only observed" : one.powers.map(visible).join(", ")}`,
    ...(one.recovered ? ["written by a later reprieve: the one that watched was killed"] : []),
    "",
    ...linesOf({ ...of, type: "incident.opened", cause }),
    ...one.steps.filter(({ step }) => step !== "slept").flatMap(linesOf),
    ...one.hooks.flatMap(linesOf),
    ...(outcome === "unknown"
      ? [`${visible(guard)}: nobody saw its end`]
      : linesOf({ ...one, ...of, outcome, type: "incident.closed" })),
    ...one.sleepers.map(
      (who) => `${processName(who)} slept in the OOM for ${durationOf(who.slept_us)}`,
    ),
    ...minuteLines(one, width),
  ];
}

/** Of numbers from 0 to the greatest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 1);
  return values
    .map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))])
    .join("");
}

export function durationOf(us: number): string {
  return us < 1_000_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1_000_000).toFixed(1)} s`;
}

/** 2026-11-30 13:14:07.084 in this host's time zone. */
export function localTime(ms: number): string {
  const offsetMs = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - offsetMs).toISOString().replace("T", " ").slice(0, -1);
}

/** 2026-11-30 13:14:07 */
export function secondOf(ms: number): string {
  return localTime(ms).slice(0, "2026-11-30 13:14:07".length);
}

// --- internal ---

const COLUMNS: readonly Column<IncidentSummary>[] = [
  { title: "GUARD", cell: ({ guard }) => guard },
  { title: "WHEN", cell: (one) => secondOf(one.opened_t), dispensable: 2 },
  { title: "OUTCOME", cell: ({ outcome }) => outcome, dispensable: 1 },
  { title: "AFTER", cell: (one) => durationOf(one.duration_us), isRight: true, dispensable: 3 },
  { title: "KILLED", cell: killedIn, dispensable: 4 },
  { title: "INCIDENT", cell: ({ id }) => id },
];

/** As wide as there is room for beside the names. */
function minuteLines({ frames, processes }: Incident, width: number): string[] {
  if (frames.length === 0) return [];
  const before = frames.filter(({ t_us }) => t_us <= 0);
  const heldBy = (pid: number) => (frame: Frame) =>
    frame.processes.find(([one]) => one === pid)?.[1] ?? 0;
  const most = (valueIn: (frame: Frame) => number) => Math.max(0, ...before.map(valueIn));
  const usage = ({ usage_bytes: used }: Frame) => used;
  const largest = Object.entries(processes)
    .map(([pid, { comm }]) => ({ pid: Number(pid), comm, most: most(heldBy(Number(pid))) }))
    .sort((a, b) => b.most - a.most)
    .slice(0, SHOWN_MOST);
  const rows = [
    { valueIn: usage, name: `${bytes(most(usage))} in all` },
    ...largest.map((one) => ({
      valueIn: heldBy(one.pid),
      name: `${bytes(one.most)} ${processName(one)}`,
    })),
  ];
  const room = width - 2 - Math.max(...rows.map(({ name }) => Bun.stringWidth(name)));
  const count = Math.max(BUCKETS_LEAST, Math.min(BUCKETS, room));
  return [
    "",
    "the minute before",
    ...rows.map(({ valueIn, name }) => `${sparkline(buckets(frames, count, valueIn))}  ${name}`),
  ];
}

/** The last known of each part of the minute before the event; before the first frame nothing is known. */
function buckets(
  frames: readonly Frame[],
  count: number,
  valueIn: (frame: Frame) => number,
): number[] {
  const width = BEFORE_US / count;
  return Array.from({ length: count }, (_, index) => {
    const end = -BEFORE_US + (index + 1) * width;
    const last = frames.findLast(({ t_us }) => t_us <= end);
    return last === undefined ? 0 : valueIn(last);
  });
}

function processName({ pid, comm, rss_bytes: rss }: Named): string {
  const name = comm === "" ? `process ${pid}` : `${visible(comm)} (${pid})`;
  return rss === undefined ? name : `${name} ${bytes(rss)}`;
}

interface Named {
  readonly pid: number;
  readonly comm: string;
  readonly rss_bytes?: number | undefined;
}
