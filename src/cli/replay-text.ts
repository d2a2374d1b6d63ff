// SPDX-License-Identifier: MIT
/** What other orders would have done -> lines for a person. Pure. Names of groups and processes are hostile. */

import { bytes, visible } from "../shown.ts";
import { durationOf, nobodyNamed } from "./incident-text.ts";
import type { Left, Replayed, ReplayedKill, ReplayedProcess } from "./replayed.ts";

/** Growth that takes longer to fill the group says nothing of it. */
const FULL_AGAIN_MOST_S = 60;
const ALL = "kill-group=all";

export function replayLines(one: Replayed): string[] {
  return [
    `${visible(one.id)}  ${visible(one.cgroup)}`,
    `orders  ${one.orders.map(visible).join(", ")}; by ${visible(one.by)}`,
    ...remarksOf(one).map(more),
    ...label("replay", doneOf(one)),
    ...label("left", leftOf(one)),
    `really  ${reallyOf(one)}`,
  ];
}

// --- internal ---

function reallyOf({ really, really_left_to: left }: Replayed): string {
  if (really.length === 0) return nobodyNamed(left);
  const others = left === null ? "" : `; left to ${left}, which may have killed others`;
  return really.map(nameOf).join(", ") + others;
}

/** What cannot be told. */
function remarksOf({ untold, unheeded_rules, are_rules_known, orders }: Replayed): string[] {
  return [
    ...untold.map((order) => `${visible(order)} goes first: what comes of it is not known`),
    ...unheeded_rules.map(
      (rule) => `${visible(rule)} is left out: programs and groups of processes are not recorded`,
    ),
    ...(are_rules_known
      ? []
      : ["its rules of prefer and avoid are not recorded: --config FILE has some heeded"]),
    ...(orders.includes("kill-group")
      ? ["of kill-group only the victim is told: who lives in a child with it is not recorded"]
      : []),
  ];
}

function doneOf(one: Replayed): string[] {
  const { victim, kills, hand_over_us: handOver, candidates } = one;
  const nobody = candidates.length === 0 ? "nobody is worth a kill" : "no order kills";
  if (victim === null) return [`${nobody}: the kernel would have decided`];
  if (one.would === "observe") {
    return [`${whoOf(victim)}, would have been named, for the power to kill lacks`];
  }
  return [
    ...kills.map(killed),
    ...(handOver === null
      ? []
      : [`no more kills: the kernel would have decided ${whenOf(handOver)}`]),
  ];
}

function killed(kill: ReplayedKill): string {
  const others = kill.order === ALL ? ", and all others," : ",";
  return `${whoOf(kill)}${others} would have been killed ${whenOf(kill.at_us)}`;
}

function leftOf({ left, usage_bytes, mark_bytes, kills, ...one }: Replayed): string[] {
  const count = left.processes === 1 ? "1 process" : `${left.processes} processes`;
  const freed = usage_bytes - left.usage_bytes;
  const isLess = kills.length > 0 && one.hand_over_us === null && freed < one.really_freed_bytes;
  return [
    `${count}, ${bytes(left.usage_bytes)} of ${bytes(usage_bytes)}`,
    ...fullAgain(left, mark_bytes),
    ...(isLess
      ? [`${bytes(one.really_freed_bytes)} were really freed: whether less is enough is not known`]
      : []),
  ];
}

function fullAgain({ usage_bytes, grown_bytes }: Left, markBytes: number): string[] {
  const seconds = Math.max(0, markBytes - usage_bytes) / grown_bytes;
  if (!(seconds <= FULL_AGAIN_MOST_S)) return [];
  const grown = `in the second before they grew by ${bytes(grown_bytes)}`;
  return [`${grown}: at that pace full again ${durationOf(seconds * 1e6)} later`];
}

function whenOf(us: number): string {
  if (us === 0) return "at the event";
  return us < 0 ? `${(-us / 1e6).toFixed(1)} s before the event` : `${durationOf(us)} behind it`;
}

function whoOf(one: ReplayedProcess): string {
  const weight = one.weight === 1 ? "" : `, which counts ${one.weight} times`;
  return `${nameOf(one)}, ${bytes(one.anon_bytes)}${weight}`;
}

function nameOf({ comm, pid }: { readonly comm: string; readonly pid: number }): string {
  return `${visible(comm)} ${pid}`;
}

function label(name: string, [first = "", ...others]: readonly string[]): string[] {
  return [`${name.padEnd(8)}${first}`, ...others.map(more)];
}

function more(line: string): string {
  return " ".repeat(8) + line;
}
