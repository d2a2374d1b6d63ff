// SPDX-License-Identifier: MIT
/** A guard among many is as well off as one that is alone, and what is done in many at once is told. */
import { afterEach, expect, test } from "bun:test";
import { History } from "../../src/agent/history.ts";
import { openCore } from "../../src/native/core.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, MB } from "../helpers/group.ts";
import { SharedRegion } from "../helpers/region.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Workload } from "../helpers/workload.ts";

const DELAY = ["--delay", `${DELAY_MS}ms`];
const OTHERS = 150;
const BURSTS = 4;
/** So many are asked for their usage every sixth second; this one next when the leaker has been dead for long. */
const QUIET = 800;
const LATE = 3;
const PASSED_OVER_MS = 2000;
const MARGIN = 24 * MB;
/** A second outside the margin, and one inside. */
const SLOW = { chunkKb: 256, pauseUs: 10_000 };
const TOGETHER = 100;
const SMALL = 8 * MB;
/** On one CPU of test/vm a hundred that join groups, or die, take more than 10 s. */
const SLOW_MS = 30_000;
const BOUND_MS = 3 * SLOW_MS;

afterEach(cleanUp);

const lateArming = onlyOnV1("on v2 nothing has to be set up before a guard hears of its group");

describeWith("many guards", kernelTest, () => {
  lateArming(
    "a burst right after arming is ours, while others are still being set up",
    async () => {
      const host = new Group("host");
      const groups = Array.from({ length: BURSTS }, (_, i) => host.child(`b${i}`, LIMIT));
      const others = Array.from({ length: OTHERS }, (_, i) => host.child(`${i}`, LIMIT));
      const paths = [...groups, ...others].map(({ path }) => path);
      const reprieve = await Reprieve.guard(paths, DELAY);
      const board = new Board();
      for (const group of groups) {
        const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
        // From the limit's threshold on the watcher has to be told that the group comes near.
        await until("the killer to be on", () => !group.oom().held);
        leaker.go();
        await until("the leaker's death", () => !leaker.isAlive());
      }
      const names = groups.map(({ path }) => nameOf(path));
      const closed = () =>
        closedOf(reprieve.messages).filter(({ guard }) => names.includes(String(guard)));
      await until("their incidents", () => closed().length === BURSTS);
      expect(closed().map(({ outcome }) => outcome)).toEqual(names.map(() => "relieved"));
      await end(reprieve, host, [board]);
    },
    BOUND_MS,
  );

  lateArming(
    "one that leaks is looked at near its limit as often as if it were alone, while many are passed over",
    async () => {
      const host = new Group("host");
      const groups = Array.from({ length: QUIET }, (_, i) => host.child(`${i}`, LIMIT));
      const paths = groups.map(({ path }) => path);
      const reprieve = await Reprieve.guard(paths, [...DELAY, "--margin", `${MARGIN / MB}M`]);
      const region = new SharedRegion(await reprieve.helper("handler"));
      const board = new Board();
      const group = groups[LATE] as Group;
      const leaker = await board.start(group, { means: "touch", kb: LEAK_KB, ...SLOW }).ready();
      const areQuiet = () => groups.every((group) => !group.oom().held);
      await until("all to be quiet", areQuiet, SLOW_MS);
      await Bun.sleep(PASSED_OVER_MS);
      leaker.go();
      await until("the leaker's death", () => !leaker.isAlive(), SLOW_MS);
      const { frames } = new History(openCore(), region.copy()).frames(LATE, 60_000);
      region.close();
      const near = frames.filter(({ usage_bytes }) => usage_bytes > LIMIT - MARGIN);
      expect(near.length).toBeGreaterThan(2);
      await end(reprieve, host, [board]);
    },
    BOUND_MS,
  );

  test(
    `${TOGETHER} at OOM together: every kill is told, and of nobody else`,
    async () => {
      const host = new Group("host");
      const groups = Array.from({ length: TOGETHER }, (_, i) => host.child(`${i}`, SMALL));
      const reprieve = await Reprieve.guard(
        groups.map(({ path }) => path),
        DELAY,
      );
      const boards: Board[] = [];
      const leakers = new Map<string, Workload>();
      for (const group of groups) {
        const plan = { means: "touch", kb: (SMALL / 1024) * 1.5 } as const;
        leakers.set(nameOf(group.path), boardFor(boards, leakers.size).start(group, plan));
      }
      for (const leaker of leakers.values()) await leaker.ready(SLOW_MS);
      for (const leaker of leakers.values()) leaker.go();
      const areDead = () => [...leakers.values()].every((leaker) => !leaker.isAlive());
      await until("every leaker's death", areDead, SLOW_MS);
      const all = reprieve.messages;
      await until("their incidents", () => closedOf(all).length >= TOGETHER, SLOW_MS);
      const kills = all.filter((m) => m.type === "incident.step" && m.step === "kill");
      for (const { guard, pid } of kills) expect(leakers.get(String(guard))?.pid).toBe(Number(pid));
      // Those of a busy machine may be the kernel's.
      const ours = closedOf(all).filter(({ reason }) => reason === "killed");
      expect(kills.map(({ guard }) => guard).sort()).toEqual(
        expect.arrayContaining(ours.map(({ guard }) => guard).sort()),
      );
      expect(ours.length).toBeGreaterThan(0);
      await end(reprieve, host, boards);
    },
    BOUND_MS,
  );
});

function nameOf(path: string): string {
  return path.slice(path.indexOf("reprieve-kernel-"));
}

function closedOf(messages: readonly Message[]): Message[] {
  return messages.filter(({ type }) => type === "incident.closed");
}

function boardFor(boards: Board[], workload: number): Board {
  const last = boards.at(-1);
  if (last !== undefined && workload % Board.SLOTS !== 0) return last;
  const next = new Board();
  boards.push(next);
  return next;
}

async function end(reprieve: Reprieve, host: Group, boards: readonly Board[]): Promise<void> {
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  await host.destroy();
  for (const board of boards) board.close();
}
