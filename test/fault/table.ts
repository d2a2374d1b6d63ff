// SPDX-License-Identifier: MIT
/** The matrix as a Markdown table. */
import os from "node:os";
import { memory } from "../helpers/memory.ts";
import { BOUND_MS, HARD_BOUND_MS, type Played, type Stage } from "./engine.ts";

export interface Cell {
  readonly row: string;
  readonly stage: Stage;
  readonly rounds: readonly Played[];
  /** Why it failed or was not run; null: it passed. */
  readonly wrong: string | null;
}

/** What goes above the table. */
export function headOf(rounds: number): string {
  const machine = `Linux ${os.release()}, ${os.arch()}, CPUs: ${os.availableParallelism()}`;
  const on1 = memory.version === 1;
  const held = on1
    ? "at OOM with the kernel's killer off"
    : "above its `memory.high` (where\n`fixtures/stopwatch.c` measures: with somebody stopped there)";
  return `# The last run of the fault matrix on cgroup v${memory.version}

Written by \`make ${on1 ? "fault" : "fault-v2"}\`; what the rows do is in \`rows/\`. ${machine}, rounds a cell: ${rounds}.
Times are median / worst. switch: the longest time for which the group stood ${held};
the bound is \`delay\` + 50 ms = ${BOUND_MS} ms for the median of a row, ${HARD_BOUND_MS} ms for each round. relief: from
the first OOM until nobody waits any more.

`;
}

const HEAD = ["fault", "stage", "rounds", "switch, ms", "relief, ms", "what was said", ""];

/** Times are median / worst. */
export function table(cells: readonly Cell[]): string {
  let last = "";
  const rows = cells.map((cell) => {
    const name = cell.row === last ? "" : cell.row;
    last = cell.row;
    const { rounds, wrong } = cell;
    const times = [rounds.map((r) => r.switchMs), rounds.map((r) => r.reliefMs)].map(spread);
    return [name, cell.stage, String(rounds.length), ...times, counted(rounds), wrong ?? "pass"];
  });
  const lines = [HEAD, HEAD.map(() => "---"), ...rows];
  return `${lines.map((line) => `| ${line.join(" | ")} |`).join("\n")}\n`;
}

/** NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function spread(values: readonly (number | null)[]): string {
  const measured = values.filter((value) => value !== null);
  if (measured.length === 0) return "–";
  return `${median(measured).toFixed(1)} / ${Math.max(...measured).toFixed(1)}`;
}

/** "2 relieved (killed), 1 handed-over (deadline)" */
function counted(rounds: readonly Played[]): string {
  const counts = new Map<string, number>();
  for (const { said } of rounds) counts.set(said, (counts.get(said) ?? 0) + 1);
  return [...counts].map(([said, n]) => `${n} ${said}`).join(", ");
}
