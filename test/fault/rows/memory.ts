// SPDX-License-Identifier: MIT
/** Memory that is hard to get back, and many OOMs at once. */
import { expect } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { fixture } from "../../helpers/build.ts";
import { Group, kill, MB } from "../../helpers/group.ts";
import { memory as hierarchies } from "../../helpers/memory.ts";
import { hierarchy, memoryRoot } from "../../helpers/paths.ts";
import { Reprieve } from "../../helpers/reprieve.ts";
import { type Need, negativeScore } from "../../helpers/require.ts";
import { DELAY_MS, LEAK_KB, Scene } from "../../helpers/scene.ts";
import { stopwatch } from "../../helpers/stopwatch.ts";
import { bootMs, until } from "../../helpers/wait.ts";
import { Board } from "../../helpers/workload.ts";
import { BOUND_MS, BUSY_BOUND_MS, type OwnRow, type Played } from "../engine.ts";

/** More than an incident takes that nothing ends. */
const TOLD_BOUND_MS = 10_000;
const pidsRoot = hierarchy("pids");

/** On v2 a group has all controllers that are handed down to it. */
const counted: Need = () => {
  const control = `${memoryRoot}/cgroup.subtree_control`;
  const isThere = pidsRoot !== null || / pids\b/.test(` ${readFileSync(control, "utf8")}`);
  return isThere ? null : "no pids controller is there";
};

/** The pages of a tmpfs file stay when its writer is dead: no kill helps, so the switch is all that has a bound. */
async function tmpfs(): Promise<Played> {
  const scene = await Scene.set();
  const { board, group, reprieve } = scene;
  const neighbour = await scene.neighbour(256);
  const holder = await board.start(group, { means: "file", kb: LEAK_KB }).ready();
  const watch = await stopwatch([group], TOLD_BOUND_MS);
  holder.go();
  const closed = await reprieve.message("incident.closed", {
    where: (m) => m.outcome !== "relieved",
  });
  const switchMs = await watch.stop();
  for (const victim of scene.victims()) expect(victim).toBe(holder.pid);
  board.dropHeld();
  await until("nobody to wait", () => !group.oom().waiting);
  await neighbour.stop();
  await scene.end();
  return { switchMs, reliefMs: null, said: `${closed.outcome} (${closed.reason})` };
}

/** Neither we nor the kernel may kill anybody: said as such, and looked after until somebody makes room. */
async function immune(): Promise<Played> {
  const scene = await Scene.set();
  const { board, group } = scene;
  const wrapper = ["sh", "-c", 'echo -1000 > /proc/self/oom_score_adj && exec "$@"', "sh"];
  kill(await scene.reprieve.helper("handler"), "SIGSTOP"); // it goes by memory, not by score
  const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }, wrapper).ready();
  const watch = await stopwatch([group], TOLD_BOUND_MS);
  leaker.go();
  // A kernel that finds nobody logs each try: that takes the CPU, and then the agent's time to read it (6 s on the one of test/vm).
  const closed = await scene.reprieve.message("incident.closed", { boundMs: TOLD_BOUND_MS });
  const switchMs = await watch.stop();
  expect(closed.outcome).toBe("unrelieved");
  kill(leaker.pid, "SIGKILL");
  kill(await scene.reprieve.helper("handler"), "SIGCONT");
  await until("nobody to wait", () => !group.oom().waiting);
  await scene.end();
  return { switchMs, reliefMs: null, said: `${closed.outcome} (${closed.reason})` };
}

/** It never ends by itself: what counts is that no hold lasts, and that the group is empty once forks are refused. */
async function bomb(pidsMax: "max" | "40"): Promise<Played> {
  const BOMB_MS = 3000; // from the first OOM on
  const GROWN_BOUND_MS = 20_000;
  const scene = await Scene.set();
  const { group, reprieve } = scene;
  const pids = pidsRoot === null ? group.path : `${pidsRoot}/reprieve-kernel-${process.pid}`;
  if (pidsRoot !== null) mkdirSync(pids);
  writeFileSync(`${pids}/pids.max`, pidsMax);
  const enter = 'echo 0 > "$0/cgroup.procs" && echo 0 > "$1/cgroup.procs" && exec "$2"';
  const watch = await stopwatch([group], GROWN_BOUND_MS, BOMB_MS);
  const first = Bun.spawn(["sh", "-c", enter, pids, group.path, fixture("bomb")]);
  const switchMs = await watch.ended();
  writeFileSync(`${pids}/pids.max`, "0");
  await group.empty();
  await first.exited;
  await until("an empty pids group", () => readFileSync(`${pids}/cgroup.procs`, "utf8") === "");
  if (pidsRoot !== null) rmdirSync(pids);
  const closed = await reprieve.message("incident.closed");
  await scene.end();
  return { switchMs, reliefMs: null, said: `first ${closed.outcome}` };
}

/** Each of a hundred guards has a leaker of its own, let loose in one instant. */
async function hundred(stopped: boolean): Promise<Played> {
  const COUNT = 100;
  const SMALL = 8 * MB;
  const JOINED_BOUND_MS = 20_000;
  const ENDED_BOUND_MS = 30_000; // one CPU of test/vm takes more than 10 s for their 1.2 GB
  const host = new Group("hundred");
  const groups = Array.from({ length: COUNT }, (_, i) => host.child(`${i}`, SMALL));
  const paths = groups.map((group) => group.path);
  const reprieve = await Reprieve.guard(paths, ["--delay", `${DELAY_MS}ms`]);
  const boards = Array.from({ length: Math.ceil(COUNT / Board.SLOTS) }, () => new Board());
  const plan = { means: "touch", kb: (SMALL / 1024) * 1.5 } as const;
  const leakers = groups.map((group, i) => boards[Math.floor(i / Board.SLOTS)]?.start(group, plan));
  // Each joins a group, and waits for the others to have done so: once that took more than 5 s.
  for (const leaker of leakers) await leaker?.ready(JOINED_BOUND_MS);
  const handler = await reprieve.helper("handler");
  if (stopped) kill(handler, "SIGSTOP");
  const watch = await stopwatch(groups, ENDED_BOUND_MS);
  const begin = bootMs();
  for (const leaker of leakers) leaker?.go();
  const isDone = () => leakers.every((leaker) => !leaker?.isAlive());
  await until("every leaker's death", isDone, ENDED_BOUND_MS);
  const reliefMs = bootMs() - begin;
  const switchMs = await watch.stop();
  kill(handler, "SIGCONT");
  const all = () => reprieve.messages.filter((m) => m.type === "incident.closed");
  // So many at once overrun the log: steps may be lost, and then it says how many, but no incident is.
  const isTold = () => new Set(all().map((m) => m.guard)).size === COUNT;
  await until("every guard's incident", isTold, JOINED_BOUND_MS);
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  for (const group of groups) expect(group.oom().held).toBe(false);
  await host.destroy();
  for (const board of boards) board.close();
  const outcomes = [...new Set(all().map((m) => m.outcome))].sort();
  const isOverrun = reprieve.messages.some((m) => m.type === "lost");
  return { switchMs, reliefMs, said: outcomes.join(", ") + (isOverrun ? ", steps lost" : "") };
}

export const memory: readonly OwnRow[] = [
  { name: "memory held by a tmpfs file", stages: ["event"], play: tmpfs },
  { name: "only tasks of -1000", mayLack: negativeScore, stages: ["event"], play: immune },
  ...(["max", "40"] as const).map(
    (pidsMax): OwnRow => ({
      name: `fork bomb, pids.max ${pidsMax}`,
      needs: [counted],
      stages: ["event"],
      roundsMost: 2,
      boundMs: BUSY_BOUND_MS,
      play: () => bomb(pidsMax),
    }),
  ),
  ...[false, true].map(
    (stopped): OwnRow => ({
      name: `100 groups at OOM at once${stopped ? ", handler SIGSTOP" : ""}`,
      stages: ["event"],
      roundsMost: 2,
      // The clock of test/vm waits for who has no CPU.
      boundMs: hierarchies.version === 2 ? BOUND_MS : BUSY_BOUND_MS,
      play: () => hundred(stopped),
    }),
  ),
];
