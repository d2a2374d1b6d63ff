// SPDX-License-Identifier: MIT
/**
 * One round: a drawn plan of who leaks and who lives beside it, played in a guarded group.
 * draw() is pure; play() returns what was wrong, in words, and never throws for what reprieve did.
 */
import { Group, MB } from "./group.ts";
import { memory } from "./memory.ts";
import type { Random } from "./random.ts";
import { type Message, Reprieve } from "./reprieve.ts";
import { DELAY_MS } from "./scene.ts";
import { until } from "./wait.ts";
import { Board, type Means, Nursery, type Plan, type Workload } from "./workload.ts";

export interface RoundPlan {
  readonly leaker: Plan;
  readonly leakerBelow: boolean;
  readonly leakerFirst: boolean;
  readonly neighbours: readonly { readonly plan: Plan; readonly below: boolean }[];
  /** Long enough for the guard to be far again: the next burst has to outrun the arming. */
  readonly quietMs: number;
}

export interface Arena {
  readonly group: Group;
  readonly child: Group;
  readonly limit: number;
  readonly board: Board;
  /** One in the guarded group, one in a child group. */
  readonly nurseries: readonly [Nursery, Nursery];
  readonly reprieve: Reprieve;
}

export interface Played {
  /** Empty: the round went as promised. */
  readonly wrong: string[];
  readonly outcomes: string[];
  readonly kernelKills: number;
  readonly kills: number;
  /** Sleepers that the kernel had forgotten to wake. */
  readonly woken: number;
}

const LIMITS_MB = { low: 32, high: 64 };
const FAR_MS = 1200; // FAR_AFTER_MS of native/limits.h, and some
const BOUND_MS = 5000;
/** A kill is told when its incident is over, or AGENT_WAKE_MS of native/limits.h later. */
const TOLD_MS = 200;
const TURN_MS = 1000 + memory.sleepsOnMs;

/** A guarded group of a drawn size, with a child. */
export async function enter(random: Random, args: readonly string[]): Promise<Arena> {
  const limit = random.whole(LIMITS_MB.low, LIMITS_MB.high) * MB;
  const group = new Group("rounds", { limit });
  if (random.chance(0.5)) group.setSwapLimit(limit);
  const child = group.child("child");
  const reprieve = await Reprieve.guard([group.path], ["--delay", `${DELAY_MS}ms`, ...args]);
  const nurseries = [new Nursery(group), new Nursery(child)] as const;
  return { group, child, limit, board: new Board(), nurseries, reprieve };
}

export async function leave({ group, board, nurseries, reprieve }: Arena): Promise<void> {
  for (const nursery of nurseries) await nursery.end();
  await reprieve.stop();
  await group.destroy();
  board.close();
}

export function draw(random: Random, limit: number): RoundPlan {
  const means = random.pick<Means>([
    "touch",
    "huge",
    "populate",
    "threads",
    "fork",
    "newborn",
    "touch",
  ]);
  const parts = means === "fork" || means === "threads" ? random.whole(2, 5) : 1;
  const leakKb = (limit / 1024) * 1.5;
  const chunkKb = random.pick([4096, 2048, 512, 256]);
  const pauseUs = random.chance(0.5) ? 0 : random.whole(50, 1000);
  // Every share of the leak at OOM is larger than any neighbour: at least 75 % of the limit over 5.
  const neighbours = Array.from({ length: random.whole(1, 3) }, () => ({
    plan: drawNeighbour(random, limit),
    below: random.chance(0.3),
  }));
  return {
    leaker: { means, parts, kb: leakKb, chunkKb, pauseUs, beforeKb: random.whole(0, 4096) },
    leakerBelow: random.chance(0.3),
    leakerFirst: random.chance(0.5),
    neighbours,
    quietMs: random.chance(0.05) ? FAR_MS : 0,
  };
}

function drawNeighbour(random: Random, limit: number): Plan {
  const beforeKb = random.whole(64, limit / 1024 / 16);
  if (random.chance(0.25)) return { means: "touch", beforeKb };
  return { means: "steady", beforeKb, pauseUs: random.whole(100, 1000) };
}

/** Everybody of a round, the neighbours at work. */
export async function bear({ board, nurseries, group, limit }: Arena, plan: RoundPlan) {
  board.clear();
  const born = (what: Plan, below: boolean) => board.bear(nurseries[below ? 1 : 0], what);
  const first = plan.leakerFirst ? born(plan.leaker, plan.leakerBelow) : null;
  const neighbours = plan.neighbours.map((n) => born(n.plan, n.below));
  const leaker = first ?? born(plan.leaker, plan.leakerBelow);
  for (const workload of [leaker, ...neighbours]) {
    await workload.ready().catch((error) => {
      const state = JSON.stringify({ ...group.oom(), usage: group.usage(), limit });
      throw new Error(
        `${error.message}; nurseries ${nurseries.map((n) => n.sleepsIn())}; ${state}`,
      );
    });
  }
  for (const neighbour of neighbours) neighbour.go();
  await Bun.sleep(plan.quietMs);
  return { leaker, neighbours };
}

export async function play(arena: Arena, plan: RoundPlan): Promise<Played> {
  const { group, child, limit, reprieve } = arena;
  const { leaker, neighbours } = await bear(arena, plan);
  const from = reprieve.messages.length;
  const killsOfKernel = () => group.oom().kills + child.oom().kills;
  const killsBefore = killsOfKernel();
  leaker.go();
  const wrong: string[] = [];
  const messages = () => reprieve.messages.slice(from);
  const ended = () => leakEnded(leaker) && isSettled(messages()) && !group.oom().waiting;
  await until("the round's end", ended, BOUND_MS).catch(() =>
    wrong.push(
      `no end in ${BOUND_MS} ms: ${JSON.stringify({ ...group.oom(), usage: group.usage(), limit })}`,
    ),
  );
  const kernelKills = killsOfKernel() - killsBefore;
  // What is told late would be the next round's. Who died otherwise, by the kernel or with his parent, is not told of.
  const isTold = () => isSettled(messages()) && areTold(messages(), leaker);
  await until("the kills to be told", isTold, TOLD_MS).catch(() => {});
  const judged = judge(messages(), leaker.pids(), kernelKills);
  wrong.push(...judged.wrong);
  if (kernelKills === 0) wrong.push(...(await checkNeighbours(neighbours)));
  if (wrong.length > 0) wrong.push(`leakers ${leaker.pids()}`, ...messages().map(brief));
  await endAll(arena.group, [leaker, ...neighbours]);
  return { ...judged, wrong, kernelKills };
}

/** Returns when they have left the group: threads of a dead leader may still hold memory there. */
export async function endAll(group: Group, workloads: readonly Workload[]): Promise<void> {
  const pids = workloads.flatMap((workload) => workload.pids());
  for (const workload of workloads) await workload.stop();
  await until("the workloads to have left", () => !group.procs().some((pid) => pids.includes(pid)));
}

// --- internal ---

/** A message in a few words, for the report of a round that went wrong. */
function brief({ type, step, at_us, pid, result, reason, state, outcome }: Message): string {
  const words = [step ?? type, at_us, pid, result, reason, state, outcome];
  return words.filter((word) => word !== undefined).join(" ");
}

/** Every process of the leak is dead or has all it wanted, and at least one died. */
export function leakEnded(leaker: Workload): boolean {
  const living = leaker.living().length;
  return living < leaker.pids().length && living <= leaker.word("done");
}

/** Incidents were opened and all of them closed. */
function isSettled(messages: readonly Message[]): boolean {
  const count = (type: string) => messages.filter((m) => m.type === type).length;
  return count("incident.closed") > 0 && count("incident.closed") >= count("incident.opened");
}

/** Is each dead one of the leak a victim that was told of? */
function areTold(messages: readonly Message[], leaker: Workload): boolean {
  const living = leaker.living();
  const dead = leaker.pids().filter((pid) => !living.includes(pid));
  const told = messages.filter((m) => m.step === "kill").map((m) => Number(m.pid));
  return dead.every((pid) => told.includes(pid));
}

function judge(messages: readonly Message[], leakers: readonly number[], kernelKills: number) {
  const wrong: string[] = [];
  const closed = messages.filter((m) => m.type === "incident.closed");
  const kills = messages.filter((m) => m.type === "incident.step" && m.step === "kill");
  for (const kill of kills) {
    if (!leakers.includes(Number(kill.pid))) wrong.push(`wrong victim ${JSON.stringify(kill)}`);
  }
  const woken = messages.filter((m) => m.event === "woke" || m.step === "woke").length;
  // Who was not woken had room before anybody was killed.
  const good = ["relieved", ...(kernelKills > 0 ? ["kernel-first"] : [])];
  if (woken > 0) good.push("exited-by-itself");
  for (const end of closed) {
    if (!good.includes(String(end.outcome))) wrong.push(`outcome ${JSON.stringify(end)}`);
    if (end.faults !== 0) wrong.push(`page faults in the event path: ${JSON.stringify(end)}`);
  }
  return { wrong, outcomes: closed.map((end) => String(end.outcome)), kills: kills.length, woken };
}

/** Alive, and those that work get on with it. */
async function checkNeighbours(neighbours: readonly Workload[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const neighbour of neighbours) {
    if (!neighbour.isAlive()) wrong.push(`neighbour ${neighbour.pid} is dead`);
    const turns = neighbour.word("turns");
    if (turns === 0) continue; // one that only holds memory, or has not had its first turn
    await until("a turn", () => neighbour.word("turns") > turns, TURN_MS).catch(() =>
      wrong.push(`neighbour ${neighbour.pid} stands still`),
    );
  }
  return wrong;
}
