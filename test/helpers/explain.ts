// SPDX-License-Identifier: MIT
/** What `reprieve explain --json` says. */
import { expect } from "bun:test";
import type { Explanation } from "../../src/cli/explanation.ts";
import { exit } from "../../src/errors.ts";
import type { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { Reprieve } from "./reprieve.ts";
import type { Board, Plan } from "./workload.ts";

const KB = 1024;

/** One JSON object a group. */
export async function explained(...args: string[]): Promise<Explanation[]> {
  const explain = Reprieve.start(["explain", ...args, "--json"]);
  const ended = await explain.ended();
  expect(explain.leftovers()).toEqual([]);
  expect(ended.err).toBe("");
  expect(ended.code).toBe(exit.ok);
  return ended.messages as unknown as Explanation[];
}

export async function oneOf(...args: string[]): Promise<Explanation> {
  const [first, ...others] = await explained(...args);
  expect(others).toEqual([]);
  if (first === undefined) throw new Error("nothing was explained");
  return first;
}

export function pidsOf({ candidates }: Explanation): number[] {
  return candidates.map(({ pid }) => pid);
}

export function below(group: Group): string {
  return group.path.slice(memory.root.length);
}

export function start(board: Board, group: Group, megabytes: number, more: Partial<Plan> = {}) {
  return board.start(group, { means: "touch", beforeKb: megabytes * KB, ...more }).ready();
}
