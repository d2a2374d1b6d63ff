// SPDX-License-Identifier: MIT
/**
 * `make demo`: one real OOM, resolved by reprieve, beside the same resolved by the kernel's killer.
 *
 * Makes two groups of its own, measures both in turn, prints one page and leaves nothing behind.
 */
import { arch, cpus, release } from "node:os";
import type { Message } from "../../src/feed/protocol.ts";
import { requireHost } from "../bench/lib/group.ts";
import { say } from "../bench/lib/report.ts";
import {
  BURST_200,
  interleave,
  kernelSide,
  LIMIT_200,
  type Result,
  reprieveSide,
  round,
  TIGHT,
} from "../bench/lib/round.ts";
import { quantile } from "../bench/lib/stats.ts";
import { bold, dim, good } from "./paint.ts";
import { timeline } from "./timeline.ts";

/** Odd, so that one round is the middle one. */
const ROUNDS = 5;

requireHost();
const sides = [await kernelSide(LIMIT_200), await reprieveSide(LIMIT_200)];
const results = await interleave(sides, ROUNDS, (side, n) => {
  say(`  round ${n + 1} of ${ROUNDS}, ${side.name}`);
  return round(side, BURST_200, TIGHT);
});
for (const side of sides) await side.stop();
say("");
const kernel = results.get("kernel") ?? [];
const reprieve = results.get("reprieve") ?? [];
process.stdout.write(`${[...scene(), ...oneOom(), ...beside(), ...ending()].join("\n")}\n`);

function scene(): string[] {
  const host = `Linux ${release()}, ${arch()}, ${cpus().length} CPUs, cgroup v1`;
  return [
    "",
    `  ${bold("reprieve")}   ${dim(host)}`,
    "",
    "  A group may hold 200 MB. In it, a neighbour works without a pause: each turn",
    "  16 fresh pages and a few system calls. Then a program beside it leaks, at full",
    `  speed, until the group is full. In turn: ${ROUNDS} times with the kernel's killer,`,
    `  ${ROUNDS} times with reprieve.`,
    "",
  ];
}

/** The round of middle stall among those that reprieve relieved. */
function oneOom(): string[] {
  const relieved = reprieve
    .filter(({ outcome }) => outcome === "relieved")
    .toSorted((a, b) => a.stallMs - b.stallMs);
  const middle = relieved[Math.floor((relieved.length - 1) / 2)];
  if (middle === undefined) return ["  reprieve relieved none of its rounds.", ""];
  const messages: readonly Message[] = middle.messages;
  return [`  ${bold("One OOM with reprieve")}`, "", ...timeline(messages), ""];
}

function beside(): string[] {
  const head = `${"kernel".padStart(12)}${"reprieve".padStart(14)}`;
  return [
    `  ${bold(`Median of ${ROUNDS}`)}${" ".repeat(26)}${dim(head)}`,
    "",
    times("neighbour's longest stall", (result) => result.stallMs),
    times("leaker's last touch to its death", (result) => result.deathMs),
    line("neighbour's failed system calls", String(failed(kernel)), String(failed(reprieve))),
    "",
  ];
}

function ending(): string[] {
  const all = [...kernel, ...reprieve];
  const lived = all.filter((result) => result.neighbourLived).length;
  return [
    `  The neighbour lived through ${lived} of ${all.length} rounds.`,
    `  Outcomes with reprieve: ${outcomes()}.`,
    "",
  ];
}

function outcomes(): string {
  const counts = new Map<string, number>();
  for (const { outcome = "none" } of reprieve) {
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
}

function times(label: string, of: (result: Result) => number): string {
  const [theirs, ours] = [kernel, reprieve].map((all) => quantile(all.map(of), 0.5)) as [
    number,
    number,
  ];
  const ratio = `x ${(ours / theirs).toFixed(2)}`.padStart(9);
  const text = line(label, `${theirs.toFixed(1)} ms`, `${ours.toFixed(1)} ms`);
  return text + (ours < theirs ? good(ratio) : ratio);
}

function line(label: string, theirs: string, ours: string): string {
  return `    ${label.padEnd(34)}${theirs.padStart(12)}${ours.padStart(14)}`;
}

function failed(all: readonly Result[]): number {
  return quantile(
    all.map((result) => result.failedCalls),
    0.5,
  );
}
