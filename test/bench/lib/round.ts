// SPDX-License-Identifier: MIT
/**
 * One burst into one group, and what it cost: the measurement that stall, death, kernel-first and
 * the demo share.
 *
 * A side is a group with somebody who answers for it: the kernel, the C floor or reprieve. Sides
 * of one figure are measured in turn, so each ratio compares neighbours in time.
 */
import type { Message } from "../../../src/feed/protocol.ts";
import { Group, killQuietly, MIB } from "./group.ts";
import { Page } from "./page.ts";
import { built, ended, type Program, Reprieve, start } from "./programs.ts";
import { type Count, say } from "./report.ts";

/** Under load a round takes 0.3 s; one that takes this long is stuck. */
const ROUND_BOUND_MS = 10_000;
/** The neighbour runs this long before the burst, so that it is in its stride. */
const WARM_MS = 50;

interface Neighbour {
  readonly bytes: number;
  /** 0: a tight loop. */
  readonly paceUs: number;
}

export interface Burst {
  readonly bytes: number;
  readonly means: "touch" | "huge" | "populate";
  readonly threads: 1 | 2;
  /** What the leaker holds of it while it waits. */
  readonly beforeBytes?: number;
}

export interface Result {
  /** Leaker's last good touch to its death. */
  readonly deathMs: number;
  /** The neighbour's longest turn that ended after that touch, from due to done. */
  readonly stallMs: number;
  readonly failedCalls: number;
  readonly neighbourLived: boolean;
  /** How reprieve's incident ended; undefined for the other sides. */
  readonly outcome: string | undefined;
  /** All that reprieve said about this round. */
  readonly messages: readonly Message[];
}

export interface Side {
  readonly name: string;
  readonly group: Group;
  readonly page: Page;
  readonly reprieve?: Reprieve;
  readonly stop: () => Promise<void>;
}

/** What a group is like before anybody answers for it. */
export type Prepare = (group: Group) => Promise<void>;

export function limited(bytes: number): Prepare {
  return async (group) => group.limit(bytes);
}

export async function kernelSide(prepare: Prepare): Promise<Side> {
  const group = new Group("kernel");
  await prepare(group);
  return { name: "kernel", group, page: new Page(), stop: async () => group.remove() };
}

/** floor or minimal: a C program that is told of the OOM of a group that is held. */
export async function programSide(name: "floor" | "minimal", prepare: Prepare): Promise<Side> {
  const group = new Group(name);
  const page = new Page();
  await prepare(group);
  group.hold();
  const program = start([built(name), group.path, page.path]);
  await page.until("ready");
  return {
    name,
    group,
    page,
    stop: async () => {
      killQuietly(program.pid, "SIGTERM");
      await ended(program, ROUND_BOUND_MS);
      group.remove();
    },
  };
}

export async function reprieveSide(
  prepare: Prepare,
  options: string[] = ["--listen", "none"],
  name = "reprieve",
): Promise<Side> {
  const group = new Group(name);
  await prepare(group);
  const reprieve = await Reprieve.guard([group.path], options);
  return {
    name,
    group,
    page: new Page(),
    reprieve,
    stop: async () => {
      await reprieve.stop();
      group.remove();
    },
  };
}

/**
 * A leaker that waits for its signal, inside the group, under a witness that waits for its death.
 */
export async function leakerIn(group: Group, page: Page, burst: Burst): Promise<Program> {
  const { bytes, means, threads, beforeBytes } = burst;
  const leaker = [built("leaker"), page.path, String(bytes), means, String(threads)];
  if (beforeBytes !== undefined) leaker.push(String(beforeBytes));
  const witness = start([built("witness"), page.path, ...leaker]);
  await page.until("leakerPid");
  group.join(page.get("leakerPid"), "leaker");
  if (beforeBytes !== undefined) {
    process.kill(page.get("leakerPid"), "SIGUSR1");
    await page.until("ready");
  }
  return witness;
}

/** Lets the leaker go and waits for its death, and for what the neighbour goes through after it (witness.c); ms from its last good
 * touch to its death. */
export async function fire(page: Page, witness: Program): Promise<number> {
  process.kill(page.get("leakerPid"), "SIGUSR1");
  const code = await ended(witness, ROUND_BOUND_MS);
  if (code !== 0) throw new Error(`Cannot count this round as the leaker ended with ${code}`);
  return (page.get("death") - page.lastTouchNs()) / 1e6;
}

async function neighbourIn(group: Group, page: Page, neighbour: Neighbour): Promise<Program> {
  const { bytes, paceUs } = neighbour;
  const program = start([built("neighbour"), page.path, String(bytes), String(paceUs)]);
  await page.until("neighbourPid");
  group.join(program.pid);
  process.kill(program.pid, "SIGUSR1");
  return program;
}

/** False: it was dead already. */
async function end(beside: Program): Promise<boolean> {
  const lived = beside.exitCode === null && beside.signalCode === null;
  killQuietly(beside.pid);
  await ended(beside, ROUND_BOUND_MS);
  return lived;
}

export async function round(side: Side, burst: Burst, neighbour?: Neighbour): Promise<Result> {
  const { group, page, reprieve } = side;
  page.clear();
  const beside = neighbour && (await neighbourIn(group, page, neighbour));
  const witness = await leakerIn(group, page, burst);
  if (reprieve !== undefined) await group.untilKillerOn();
  await Bun.sleep(WARM_MS);
  const before = reprieve?.messages.length ?? 0;
  page.set("measuring", 1);
  const deathMs = await fire(page, witness);
  const neighbourLived = beside === undefined || (await end(beside));
  await group.untilEmpty();
  await reprieve?.until(() => reprieve.closed(before).length > 0);
  say(`${side.name}: stall ${page.get("longest") / 1e6} ms, death ${deathMs} ms`);
  return {
    deathMs,
    stallMs: page.get("longest") / 1e6,
    failedCalls: page.get("failedCalls"),
    neighbourLived,
    outcome: reprieve?.closed(before)[0]?.outcome,
    messages: reprieve?.messages.slice(before) ?? [],
  };
}

/** The burst of the stall and death figures: it meets the limit after about 200 MB. */
export const BURST_200: Burst = { bytes: 320 * MIB, means: "touch", threads: 1 };
export const BYTES_200 = 200 * MIB;
export const LIMIT_200 = limited(BYTES_200);
/** "Tight": 16 pages a turn, as fast as it goes. */
export const TIGHT: Neighbour = { bytes: 16 * 4096, paceUs: 0 };
/** What a program that serves requests is like. */
export const PACED: readonly (Neighbour & { readonly title: string })[] = [
  { title: "64 KB every 10 ms", bytes: 64 << 10, paceUs: 10_000 },
  { title: "1 MB every 10 ms", bytes: MIB, paceUs: 10_000 },
  { title: "8 MB every 10 ms", bytes: 8 * MIB, paceUs: 10_000 },
];

/** How many of reprieve's rounds it relieved itself; a ratio is about those. */
export function relievedCount(results: Map<string, Result[]>): Count {
  const all = results.get("reprieve") ?? [];
  const count = all.filter(({ outcome }) => outcome === "relieved").length;
  return { label: "relieved by reprieve itself", count, of: all.length };
}

/**
 * Measures every side once a pair, in turning order, and returns each side's results in order of
 * pairs.
 */
export async function interleave(
  sides: readonly Side[],
  pairs: number,
  measure: (side: Side, pair: number) => Promise<Result>,
): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>(sides.map((side) => [side.name, []]));
  for (let pair = 0; pair < pairs; pair++) {
    for (const side of turning(sides, pair)) {
      results.get(side.name)?.push(await measure(side, pair));
    }
  }
  return results;
}

/** Everybody is first in his turn. */
export function turning<S>(sides: readonly S[], pair: number): S[] {
  const turn = pair % sides.length;
  return [...sides.slice(turn), ...sides.slice(0, turn)];
}

export function killedCount(name: string, results: readonly Result[]): Count {
  const count = results.filter((result) => !result.neighbourLived).length;
  return { label: `neighbour killed, ${name}`, count, of: results.length };
}
