// SPDX-License-Identifier: MIT
/**
 * A row of the fault matrix is data; this plays it: one round of a row at a stage, measured from outside.
 *
 * Every round is of its own: a guarded group with a leaker and a neighbour, and a second guarded group that has
 * nothing to do with it. Afterwards the neighbour lives, the second group was never touched, an incident says
 * what happened, and all is as it was.
 */
import { expect } from "bun:test";
import { Group, kill, MB } from "../helpers/group.ts";
import type { Oom } from "../helpers/memory.ts";
import type { StartOptions } from "../helpers/reprieve.ts";
import type { Need } from "../helpers/require.ts";
import { leakEnded } from "../helpers/round.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { bootMs } from "../helpers/wait.ts";
import type { Plan, Workload } from "../helpers/workload.ts";

/** A group may stand at OOM with the killer off for so long; the 50 ms are the machine's. */
export const BOUND_MS = DELAY_MS + 50;
/** No single round may take longer, however busy the machine is. */
export const HARD_BOUND_MS = 1000;
/** The same where the workload itself wants every CPU: without priority even a watcher waits for one. */
export const BUSY_BOUND_MS = 1000;
const GIVE_UP_MS = 10_000;
const POLL_MS = 0.3;
/** Once there is nothing to strike at any more, each look may come later by so much of the time that has passed. */
const POLL_SHARE = 0.02;

/**
 * When the fault strikes: before the leak starts; 2 MB before the limit; when the kernel says OOM; when one of
 * four leakers is dead and the others fill the group again; when the switch was just written.
 */
export const STAGES = ["quiet", "near", "event", "steps", "hand-over"] as const;
export type Stage = (typeof STAGES)[number];

export interface Played {
  /** The longest time for which the group stood at OOM with the killer off; null where none has a bound. */
  readonly switchMs: number | null;
  /** From the first OOM until nobody waits any more. */
  readonly reliefMs: number | null;
  /** What the incident says, or what else tells how it went. */
  readonly said: string;
}

interface Common {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** The same, of what many hosts lack for good: said, and never a failure. */
  readonly mayLack?: Need;
  readonly stages: readonly Stage[];
  /** Of the median and of each round, where it is another one than the promised one. */
  readonly boundMs?: number;
  /** Where a round is expensive for the machine. */
  readonly roundsMost?: number;
}

/** Ready to strike. */
export interface Fault {
  /** Quick and without a wait: the group may be at OOM. */
  strike(): void;
  /** What it takes that the scene can end as always. */
  heal?(): void | Promise<void>;
  /** Whom reprieve may kill besides the leakers. */
  readonly victims?: readonly number[];
}

/** Several at the same instant. */
export function together(faults: readonly Fault[]): Fault {
  return {
    strike: () => faults.forEach((fault) => void fault.strike()),
    heal: async () => {
      for (const fault of faults) await fault.heal?.();
    },
    victims: faults.flatMap((fault) => fault.victims ?? []),
  };
}

/** A row in which a leaker brings the group to OOM. */
export interface LeakRow extends Common {
  readonly prepare: (scene: Scene) => Fault | Promise<Fault>;
  /** Another leak than one at full speed. */
  readonly leak?: Plan;
  /** More of reprieve's arguments. */
  readonly args?: readonly string[];
  readonly start?: StartOptions;
  /** Others want every CPU: the switch is measured by who gets one before them. */
  readonly isBusy?: true;
  /** Only the switch is judged: the dying lack a CPU to die on, and others are killed in their stead. */
  readonly switchOnly?: true;
  /** What the incident may say, by stage; else any way that ends well. */
  readonly says?: Partial<Record<Stage, RegExp>>;
}

/** A row with a scene of its own. */
export interface OwnRow extends Common {
  readonly play: (stage: Stage) => Promise<Played>;
}

export type Row = LeakRow | OwnRow;

const ENDS_WELL = /relieved|handed-over|kernel-first/;
const ANY = /./;
const ONE: Plan = { means: "touch", kb: LEAK_KB };
const FOUR: Plan = { means: "fork", kb: LEAK_KB, parts: 4 };

/** Null: the round was over before its moment came, and tells nothing. */
export async function play(row: Row, stage: Stage): Promise<Played | null> {
  return "play" in row ? row.play(stage) : playLeak(row, stage);
}

async function playLeak(row: LeakRow, stage: Stage): Promise<Played | null> {
  const { args = [] } = row;
  const isInside = args.includes("inside"); // goes with one group only
  const other = new Group("bystander", { limit: LIMIT });
  const group = new Group("scene", { limit: LIMIT });
  const more = [...args, ...(isInside ? [] : ["--cgroup", other.path])];
  const scene = await Scene.around(group, more, row.start);
  const { board, reprieve } = scene;
  if (!isInside) await reprieve.armed(2);
  const neighbour = await scene.neighbour();
  const leaker = await board.start(group, stage === "steps" ? FOUR : (row.leak ?? ONE)).ready();
  // Without a handler the switch is written, and there is a hand-over in which to strike.
  const stopped = stage === "hand-over" ? await reprieve.helper("handler") : null;
  if (stopped !== null) kill(stopped, "SIGSTOP");
  const fault = await row.prepare(scene);
  if (stage === "quiet") {
    await scene.quiet();
    fault.strike();
  }
  const timer = row.isBusy && (await stopwatch([group], GIVE_UP_MS));
  leaker.go();
  const seen = watch(group, leaker, stage === "quiet" ? null : stage, () => fault.strike());
  const switchMs = timer ? await timer.stop() : seen.switchMs;
  const byKernel = group.oom().kills > 0;
  if (stopped !== null) kill(stopped, "SIGCONT");
  const isOver = stage !== "quiet" && !seen.struck;
  if (isOver) fault.strike(); // what heals it and ends the scene counts on it
  await fault.heal?.();
  const leakers = leaker.pids();
  // The kernel's choice is its own; ours is not.
  if (!byKernel && !row.switchOnly) expect(neighbour.isAlive()).toBe(true);
  const extra = neighbour.isAlive() ? "" : ", neighbour killed too";
  const says = isOver ? ANY : (row.says?.[stage] ?? ENDS_WELL);
  const said = await endAndAsk(scene, other, says);
  const mayDie = [...leakers, ...(fault.victims ?? [])];
  if (!row.switchOnly) for (const victim of scene.victims()) expect(mayDie).toContain(victim);
  if (isOver) return null;
  const by = `agent dead, killed by ${byKernel ? "the kernel" : "reprieve"}`;
  return { ...seen, switchMs, said: (said ?? by) + extra };
}

/** Null where the agent is dead, or still dying: then the helpers put back, and nobody tells. */
async function endAndAsk(scene: Scene, other: Group, says: RegExp): Promise<string | null> {
  const { reprieve } = scene;
  let said: string | null = null;
  const closed = await Promise.race([scene.closed(), reprieve.proc.exited.then(() => null)]);
  if (closed !== null) {
    said = `${closed.outcome} (${closed.reason})`;
    expect(said).toMatch(says);
    await scene.end();
  } else {
    await reprieve.ended();
    await scene.expectAsBefore();
  }
  const about = reprieve.messages.filter((m) => m.type.startsWith("incident."));
  expect(about.filter((m) => String(m.guard).includes("bystander"))).toEqual([]);
  expect(other.oom()).toEqual({ held: false, waiting: false, kills: 0 });
  await other.destroy();
  return said;
}

interface Seen {
  readonly switchMs: number;
  readonly reliefMs: number;
  readonly struck: boolean;
}

/** Polls until the leak has ended, without a turn of the event loop: nothing of ours comes between. */
function watch(group: Group, leaker: Workload, stage: Stage | null, strike: () => void): Seen {
  let held = 0;
  let since: number | null = null;
  let first: number | null = null;
  let struck = false;
  let before = bootMs();
  const begin = before;
  const pauseMs = () =>
    struck || stage === null ? Math.max(POLL_MS, POLL_SHARE * (before - begin)) : POLL_MS;
  for (const end = begin + GIVE_UP_MS; ; Bun.sleepSync(pauseMs())) {
    const oom = group.oom();
    if (!struck && stage !== null && isMoment(stage, group, leaker, oom, since !== null)) {
      strike();
      struck = true;
    }
    const now = bootMs();
    // The last good touch, where it lies between two looks, is when the sleep began.
    const began = Math.min(now, Math.max(before, leaker.lastTouchMs()));
    before = now;
    if (oom.waiting) first ??= began;
    if (oom.waiting && oom.held) since ??= began;
    else {
      if (since !== null) held = Math.max(held, now - since);
      since = null;
    }
    if (leakEnded(leaker) && !oom.waiting) {
      const reliefMs = now - Math.min(now, first ?? leaker.lastTouchMs());
      return { switchMs: held === 0 ? reliefMs : held, reliefMs, struck };
    }
    if (now > end) throw new Error(`No relief in ${GIVE_UP_MS} ms: ${JSON.stringify(oom)}`);
  }
}

function isMoment(
  stage: Stage,
  group: Group,
  leaker: Workload,
  oom: Oom,
  wasHeld: boolean,
): boolean {
  switch (stage) {
    case "quiet":
      return true;
    case "near":
      return group.usage() > LIMIT - 2 * MB;
    case "event":
      return oom.waiting;
    case "steps":
      return leaker.living().length < leaker.pids().length;
    case "hand-over":
      return wasHeld && !oom.held;
  }
}
