// SPDX-License-Identifier: MIT
/** What the tests of the standing orders share: flags, and a leak that is not always killed. */
import type { Group } from "./group.ts";
import { memory } from "./memory.ts";
import type { Message } from "./reprieve.ts";
import type { Scene } from "./scene.ts";
import { until } from "./wait.ts";
import type { Workload } from "./workload.ts";

export const KB = 1024;
/** Who sleeps over memory.high goes on after that, and then needs a CPU. */
export const FINISH_MS = 5000 + memory.sleepsOnMs;

export function ordered(...orders: readonly string[]): string[] {
  return orders.flatMap((order) => ["--order", order]);
}

export async function leakIn(scene: Scene, group: Group, kb: number): Promise<Workload> {
  const leaker = await scene.board.start(group, { means: "touch", kb }).ready();
  leaker.go();
  return leaker;
}

export async function finished(leaker: Workload): Promise<void> {
  await until("the leak to be over", () => leaker.word("done") === 1, FINISH_MS);
}

/** How an incident ended. */
export function words({ outcome, reason }: Message): string {
  return `${outcome} ${reason}`;
}

export function limitIs(group: Group, bytes: number): Promise<boolean> {
  return until(`a limit of ${bytes}`, () => group.limit() === bytes, FINISH_MS);
}
