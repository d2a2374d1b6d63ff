// SPDX-License-Identifier: MIT
/**
 * The fault matrix: every row is injected for real, at every stage that it knows (test/fault/rows).
 *
 * The promised bound holds for the median of a row's rounds: a noisy machine may take the CPU away for longer.
 * No single round may take a second.
 *
 *   FAULT_ROUNDS=20 bun test test/fault/matrix.test.ts -t "watchdog frozen"
 */
import { afterAll, afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { BOUND_MS, HARD_BOUND_MS, type Played, play, type Row, type Stage } from "./engine.ts";
import { designated } from "./rows/designated.ts";
import { ends } from "./rows/ends.ts";
import { group } from "./rows/group.ts";
import { host } from "./rows/host.ts";
import { memory } from "./rows/memory.ts";
import { ours, pairs } from "./rows/ours.ts";
import { type Cell, headOf, median, table } from "./table.ts";

const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 1);
/** Each row at so many of its stages, the next row at others. */
const STAGES_MOST = Number(process.env.FAULT_STAGES ?? Number.POSITIVE_INFINITY);
/** A round whose moment did not come is played again so often. */
const TRIES = 15;
const ROUND_BOUND_MS = 60_000;

const families: Readonly<Record<string, readonly Row[]>> = {
  "one of ours": ours,
  "two of ours": pairs,
  "all of ours": ends,
  "designated handlers": designated,
  group,
  memory,
  host,
};
const all = Object.values(families).flat();
const stagesOf = ({ stages }: Row, i: number): readonly Stage[] =>
  stages.filter((_, at) => (at + i) % stages.length < STAGES_MOST);
const cells: Cell[] = [];

afterEach(cleanUp);
afterAll(() => {
  const order = all.map((row) => row.name);
  const text = table(cells.sort((a, b) => order.indexOf(a.row) - order.indexOf(b.row)));
  console.log(text);
  const file = process.env.FAULT_RESULTS;
  if (file !== undefined) writeFileSync(file, headOf(ROUNDS) + text);
});

for (const [family, rows] of Object.entries(families)) {
  for (const [i, row] of rows.entries()) {
    const stages = stagesOf(row, i);
    const lacks = [...(row.needs ?? []), row.mayLack].map((need) => need?.()).filter(Boolean);
    if (lacks.length > 0) {
      const wrong = `NOT RUN: ${lacks.join("; ")}`;
      for (const stage of stages) cells.push({ row: row.name, stage, rounds: [], wrong });
    }
    if (row.mayLack?.()) {
      console.error(`NOT RUN: ${row.name}: ${lacks.join("; ")}`);
      test.skip(`${row.name}: ${lacks.join("; ")}`, () => {});
      continue;
    }
    describeWith(family, [...kernelTest, ...(row.needs ?? [])], () => {
      const rounds = Math.min(ROUNDS, row.roundsMost ?? ROUNDS);
      const boundMs = stages.length * rounds * ROUND_BOUND_MS;
      test(row.name, () => playRow(row, stages, rounds), boundMs);
    });
  }
}

async function playRow(row: Row, stages: readonly Stage[], rounds: number): Promise<void> {
  const wrong: string[] = [];
  const played: Cell[] = [];
  for (const stage of stages) {
    const cell = { row: row.name, stage, rounds: [] as Played[] };
    const failure = await playCell(row, stage, rounds, cell.rounds).catch(String);
    if (failure !== null) {
      wrong.push(`${stage}: ${failure}`);
      await cleanUp().catch((error) => wrong.push(String(error))); // the next stage is judged alone
    }
    played.push({ ...cell, wrong: failure && `FAILED: ${firstLine(failure)}` });
  }
  const late = lateness(row, played);
  if (late !== null) wrong.push(late);
  const failed = late && `FAILED: ${late}`;
  cells.push(...played.map((cell) => ({ ...cell, wrong: cell.wrong ?? failed })));
  expect(wrong).toEqual([]);
}

/** Of a row with all its stages; null: within its bounds, or nothing is bound. */
function lateness(row: Row, played: readonly Cell[]): string | null {
  const all = played.flatMap((cell) => cell.rounds.map((round) => round.switchMs));
  const switchMs = all.filter((ms) => ms !== null);
  const typical = row.boundMs ?? BOUND_MS;
  const most = row.boundMs ?? HARD_BOUND_MS;
  if (median(switchMs) >= typical) return `the row's median is over its bound of ${typical} ms`;
  return switchMs.some((ms) => ms >= most) ? `a round of the row was over ${most} ms` : null;
}

/** What fits a cell of the table. */
function firstLine(text: string): string {
  const WIDTH = 60;
  return text.split("\n", 1)[0]?.replaceAll("|", "/").slice(0, WIDTH) ?? "";
}

/** Null: as promised. */
async function playCell(row: Row, stage: Stage, rounds: number, played: Played[]) {
  for (let tries = 0; played.length < rounds && tries < rounds * TRIES; tries += 1) {
    const round = await play(row, stage);
    if (round !== null) played.push(round);
  }
  return played.length > 0 ? null : `its moment never came, tried ${rounds * TRIES} times`;
}
