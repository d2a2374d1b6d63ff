// SPDX-License-Identifier: MIT
/** An explanation -> lines for a person. Pure. Names of groups and processes are hostile. */

import { limit } from "../native/layout.ts";
import { bytes, milliseconds, visible } from "../shown.ts";
import type { Explanation, OrderTold, ProcessTold } from "./explanation.ts";

/** All of one group. */
export function explanationLines(one: Explanation): string[] {
  const asked = one.asked === null ? [] : [askedLine(one), ""];
  return [
    ...asked,
    titleOf(one),
    ...(one.why_not === null ? [] : [row("not guarded", one.why_not)]),
    ...(one.designated === null ? [] : [row("answered by", designatedLine(one.designated))]),
    ...(one.config === null ? [] : [row("config", one.config)]),
    ...one.rules.map((rule) =>
      row(rule.decides ? "decides" : "not", `guard ${rule.guard}, ${rule.pattern}: ${rule.why}`),
    ),
    ...(one.differs.length === 0
      ? []
      : [row("differs", `${one.differs.join(", ")}: it was started otherwise than the file says`)]),
    row("delay", delayLine(one)),
    ...one.orders.map((order, index) => row(index === 0 ? "orders" : "", orderLine(order, index))),
    ...(one.raised_bytes > 0 ? [row("raised", `by ${bytes(one.raised_bytes)} now`)] : []),
    row("caps", capsLine(one)),
    row("killed", killedTitle(one)),
    ...one.candidates.map((candidate, index) => candidateLine(one.by, candidate, index)),
    ...one.whole.map((group) => `${PAD}${visible(group)} goes as a whole: memory.oom.group`),
    ...(one.more_candidates > 0 ? [`${PAD}and ${one.more_candidates} more`] : []),
    ...othersLines(one),
  ];
}

/** One group of several, in one line. */
export function shortLine(one: Explanation): string {
  const guard = one.rules.find(({ decides }) => decides)?.guard;
  const [first] = one.candidates;
  const parts = [
    visible(one.cgroup),
    guard === undefined ? "no guard of the file" : `guard ${guard}`,
    one.reprieve === null ? "not guarded now" : `${one.state}, reprieve ${one.reprieve}`,
    usageOf(one),
    one.orders.map(({ order, acts }) => visible(acts ? order : `${order} (observed)`)).join(", "),
    first === undefined
      ? "nobody to kill"
      : `first ${nameAndPid(first)} ${bytes(first.score_bytes)}`,
  ];
  return parts.join("  ");
}

/** Why a process is none that is killed. */
export const WHY: Readonly<Record<string, string>> = {
  elsewhere: "the leader is not in the group: memory is charged where that one is",
  init: "pid 1 is never killed",
  ours: "reprieve's own are never killed",
  unkillable: "oom_score_adj is -1000",
  kernel: "kernel threads are never killed",
  brought: "what it holds it brought along, and is charged elsewhere",
  small: `less than ${bytes(limit.KILL_MIN_BYTES)} of anonymous memory`,
  beyond: `${limit.CANDIDATES_MAX} others hold more`,
  unread: "seen, and not read yet",
  unsampled: `in a child group beyond the first ${limit.GROUPS_MAX}: not looked at, and the kernel decides where more is hidden there than the largest holds`,
  newborn:
    "it came after the last look: the next finds it, and an OOM by what nobody else explains",
};

// --- internal ---

function delayLine({ delay_ms, margin_bytes, when }: Explanation): string {
  const before = when === "before" ? ", acts that much before the limit" : "";
  return `${milliseconds(delay_ms)}, margin ${bytes(margin_bytes)}${before}`;
}

const WIDTH = 12;
const PAD = " ".repeat(WIDTH + 4);

function row(name: string, text: string): string {
  return `  ${name.padEnd(WIDTH)}  ${visible(text)}`;
}

function titleOf(one: Explanation): string {
  const by =
    one.reprieve === null
      ? "not guarded now: what a run with this config would do"
      : `guarded by reprieve ${one.reprieve}, ${one.state}`;
  return `${visible(one.cgroup)}  ${usageOf(one)}, ${by}`;
}

function usageOf({ usage_bytes, limit_bytes }: Explanation): string {
  const most = limit_bytes === null ? "no limit" : `of ${bytes(limit_bytes)}`;
  return `${bytes(usage_bytes)} ${most}`;
}

function orderLine({ order, acts, by, bound_ms }: OrderTold, index: number): string {
  const bound = bound_ms === null ? "for what is left of the delay" : milliseconds(bound_ms);
  const how = !acts ? "only observed" : bound_ms === 0 ? "at once" : `waits ${bound}`;
  return `${index + 1}. ${order}, ${how} (${by})`;
}

function capsLine({ caps }: Explanation): string {
  const hour = (who: string, most: number | null, kills: number) =>
    most === null ? [] : [`${most} in an hour ${who} (${kills} so far)`];
  return [
    `${caps.incident} in an incident`,
    ...hour("here", caps.hour, caps.hour_kills),
    ...hour("by all guards", caps.host_hour, caps.host_hour_kills),
  ].join(", ");
}

function designatedLine({ pid, uid }: { pid: number; uid: number }): string {
  return `process ${pid} of uid ${uid}, a designated handler, as it pleases; the orders are for when it is gone`;
}

/** Killing who is seen would not help then (native/choose.c). */
function isHidden({ candidates, unseen }: Explanation): boolean {
  const largest = Math.max(0, ...candidates.map(({ score_bytes }) => score_bytes));
  return unseen.bytes > largest && unseen.bytes >= limit.KILL_MIN_BYTES;
}

function killedTitle(one: Explanation): string {
  const { by, candidates, processes } = one;
  const total = `of ${processes} process${processes === 1 ? "" : "es"}`;
  if (isHidden(one)) {
    return `nobody ${total}: ${bytes(one.unseen.bytes)} are held by nobody who is seen: the kernel would decide, not:`;
  }
  return candidates.length === 0
    ? `nobody ${total}: the kernel would decide`
    : `${ORDERED_BY[by] ?? by} first, ${total}:`;
}

const ORDERED_BY: Readonly<Record<string, string>> = {
  largest: "the largest",
  newest: "the newest",
  fastest: "who grows fastest",
  weight: "the heaviest by prefer and avoid",
};

function candidateLine(by: string, one: ProcessTold, index: number): string {
  const parts =
    one.brought_bytes === 0
      ? ""
      : ` = ${bytes(one.anon_bytes)} - ${bytes(one.brought_bytes)} brought along`;
  const weight = one.weight === 1 ? "" : ` x ${one.weight} by prefer and avoid`;
  const more =
    by === "newest"
      ? `, ${one.age_s} s old`
      : by === "fastest"
        ? `, ${bytes(one.grown_bytes)} more in the last second`
        : "";
  const score = `${bytes(one.score_bytes)}${weight}${parts}${more}`;
  return `${PAD}${String(index + 1).padStart(2)}. ${nameAndPid(one)}  ${score}`;
}

function othersLines({ others, unseen }: Explanation): string[] {
  const lines = others.map(({ why, processes, first }) => {
    const more = processes === 1 ? "" : ` and ${processes - 1} more`;
    return `${nameAndPid(first)}${more}: ${WHY[why] ?? why}`;
  });
  if (unseen.groups > 0)
    lines.push(
      `${unseen.groups} child groups beyond the first ${limit.GROUPS_MAX} are not looked at`,
    );
  if (unseen.processes > 0)
    lines.push(`${unseen.processes} processes of other pid namespaces are not seen`);
  return lines.map((line, index) => row(index === 0 ? "not killed" : "", line));
}

function askedLine(one: Explanation): string {
  const { asked, cgroup, candidates, more_candidates } = one;
  if (asked === null) return "";
  const who = `${visible(asked.comm)} (${asked.pid}) in ${visible(cgroup)}`;
  const all = candidates.length + more_candidates;
  if (asked.place !== null && isHidden(one)) {
    return `${who} would not be killed: more memory is held by nobody who is seen than by the largest`;
  }
  return asked.place === null
    ? `${who} would not be killed: ${WHY[asked.why] ?? asked.why}`
    : `${who} would be killed as number ${asked.place} of ${all}`;
}

function nameAndPid({ comm, pid }: Pick<ProcessTold, "comm" | "pid">): string {
  return `${visible(comm)} (${pid})`;
}
