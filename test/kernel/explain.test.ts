// SPDX-License-Identifier: MIT
/** `explain` says what is done: its first candidate is the one then killed, and everybody else is told why not. */
import { expect, test } from "bun:test";
import { WHY } from "../../src/cli/explain-text.ts";
import type { ProcessTold } from "../../src/cli/explanation.ts";
import type { Rehearsal } from "../../src/cli/rehearsal.ts";
import { UID } from "../helpers/as-user.ts";
import { type ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { DoorScene } from "../helpers/door.ts";
import { below, oneOf, pidsOf, start } from "../helpers/explain.ts";
import { type Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, negativeScore, onlyOnV1 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Workload } from "../helpers/workload.ts";

const KB = 1024;
const GROUPS_MAX = 32; // native/limits.h
/** Workloads of a board, and CANDIDATES_MAX of native/limits.h. */
const BOARD = 16;

const IMMUNE = ["sh", "-c", 'echo -1000 > /proc/self/oom_score_adj && exec "$0" "$@"'];

const tasks = onlyOnV1("on v2 the threads of a process are in one memory group");

let config: ConfigFile;
let tenants: Tenants;
let board: Board;
onStage((stage) => {
  ({ config, tenants, board } = stage);
});

async function rehearsed(...args: string[]): Promise<Rehearsal> {
  const { messages } = await Reprieve.ends(["rehearse", "g", ...args, "--json"]);
  return messages[0] as unknown as Rehearsal;
}

/** Who is asked for is in one guarded group. */
async function whyOf(one: Workload | number, ...args: string[]): Promise<string | undefined> {
  const pid = typeof one === "number" ? one : one.pid;
  const { asked } = await oneOf(String(pid), ...args);
  expect(asked?.pid).toBe(pid);
  return asked?.why;
}

/** Nothing of that may change. */
function stateOf(group: Group): string[] {
  return [memory.switchFile, memory.limitFile].map((file) => group.read(file));
}

describeWith("explain", kernelTest, () => {
  test("names first who is then killed, with and without a reprieve that guards", async () => {
    const scene = await Scene.set(OFTEN);
    const { board, group, reprieve } = scene;
    const small = await start(board, group, 4);
    const large = await start(board, group, 20);
    const middle = await start(board, group, 9);
    await scene.sampled();
    const guarded = await oneOf(group.path);
    expect(guarded).toMatchObject({ reprieve: reprieve.pid, cgroup: below(group), why_not: null });
    expect(pidsOf(guarded)).toEqual([large.pid, middle.pid, small.pid]);
    expect(await oneOf(below(group))).toMatchObject({ cgroup: below(group) });
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", below(group))}`);
    expect(pidsOf(await oneOf(String(small.pid), "--config", config.path))).toEqual(
      pidsOf(guarded),
    );
    // What is left of the limit, so that it never is the largest.
    const leaker = await start(board, group, 1, { kb: LEAK_KB, chunkKb: 64 });
    leaker.go();
    await until("a death", () => !large.isAlive() || !leaker.isAlive());
    await scene.closed();
    expect(scene.victims()[0]).toBe(large.pid);
    await until("the leaker's end", () => !leaker.isAlive() || leaker.word("done") === 1);
    await leaker.stop();
    await scene.end();
  });

  test("names first whom a rule prefers, guarded or not, and how many times he counts", async () => {
    const scene = await Scene.set([...OFTEN, "--prefer", "cgroup=workers"]);
    const { board, group } = scene;
    const large = await start(board, group, 20);
    const small = await start(board, group.child("workers"), 8);
    await scene.sampled();
    const rules = 'prefer = ["cgroup=workers"]\n';
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", below(group), rules)}`);
    const guarded = await oneOf(group.path, "--config", config.path);
    expect(pidsOf(guarded)).toEqual([small.pid, large.pid]);
    expect(guarded.candidates.map(({ weight }) => weight)).toEqual([4, 1]);
    await scene.reprieve.stop();
    const looked = await oneOf(group.path, "--config", config.path);
    expect(looked.reprieve).toBeNull();
    const still = ({ age_s: _, grown_bytes: __, ...told }: ProcessTold) => told;
    expect(looked.candidates.map(still)).toEqual(guarded.candidates.map(still));
    await scene.expectAsBefore();
  });

  test("looks by the core where nobody guards, changes nothing, and a run does what it said", async () => {
    const group = tenants.child("a", LIMIT);
    const small = await start(board, group, 4);
    const large = await start(board, group, 28);
    config.write(
      `${FEED}[allow]\nkill = "${below(group)}"\n` +
        guard("wide", `${tenants.at}/*`, 'orders = ["raise=4M", "kill"]\ndelay = "1s"\n') +
        guard("narrow", below(group), "caps = { hour = 3 }\n"),
    );
    const before = stateOf(group);
    const told = await oneOf("narrow", "--config", config.path);
    expect(stateOf(group)).toEqual(before);
    expect(told).toMatchObject({ reprieve: null, state: null, why_not: null, processes: 2 });
    expect(told.rules.map((rule) => [rule.guard, rule.decides])).toEqual([
      ["narrow", true],
      ["wide", false],
    ]);
    expect(told.caps).toMatchObject({ hour: 3, hour_kills: 0 });
    expect(told.orders).toMatchObject([{ order: "kill", acts: true, power: "kill" }]);
    expect(told.orders[0]?.by).toBe(`[allow] kill = "${below(group)}"`);
    expect(pidsOf(told)).toEqual([large.pid, small.pid]);
    const reprieve = await config.start(1);
    const running = await oneOf(below(group), "--config", config.path);
    const { reprieve: pid, state, ...rest } = running;
    expect(pid).toBe(reprieve.pid);
    expect(state).toBeString();
    const { reprieve: none, state: unknown, ...planned } = told;
    expect([none, unknown]).toEqual([null, null]);
    // Of both what does not go on.
    const still = { usage_bytes: 0, candidates: pidsOf(told), unseen: told.unseen };
    expect(pidsOf(running)).toEqual(pidsOf(told));
    expect({ ...rest, ...still }).toEqual({ ...planned, ...still });
    const leaker = await start(board, group, 1, { kb: LEAK_KB, chunkKb: 64 });
    leaker.go();
    const kill = await reprieve.message("incident.step", {
      where: ({ step }) => step === "kill",
    });
    expect(kill.pid).toBe(large.pid);
    await reprieve.message("incident.closed");
    expect((await oneOf(below(group))).caps.hour_kills).toBeGreaterThan(0);
    await leaker.stop();
    expect(await reprieve.stop()).toBe(0);
  });

  test("says of everybody else why he is none", async () => {
    const scene = await Scene.set([...OFTEN, "--handler", "inside"]);
    const { board, group, reprieve } = scene;
    const tiny = await board.start(group, { means: "touch", beforeKb: 64 }).ready();
    const mover = await board.start(null, { means: "outside", beforeKb: 6 * KB }).ready();
    await scene.sampled();
    group.add(mover.pid);
    await scene.sampled();
    expect(await whyOf(await reprieve.helper("handler"))).toBe("ours");
    expect(await whyOf(tiny)).toBe("small");
    expect(await whyOf(mover)).toBe("brought");
    const line = (await Reprieve.ends(["explain", String(tiny.pid)])).out.split("\n")[0];
    expect(line).toBe(
      `workload (${tiny.pid}) in ${below(group)} would not be killed: ${WHY.small}`,
    );
    await scene.end();
  });

  tasks("says so of a process whose leader is elsewhere", async () => {
    const scene = await Scene.set(OFTEN);
    const plan = { means: "thread-in", beforeKb: 64, kb: 8 * KB } as const;
    const outside = await scene.board.start(scene.group, plan).ready();
    outside.go();
    await until("it to have grown", () => outside.word("done") === 1);
    await scene.sampled();
    expect(await whyOf(outside)).toBe("elsewhere");
    await outside.stop();
    await scene.end();
  });

  test("says so of those beyond the largest, and of children beyond the first", async () => {
    const group = tenants.child("a", LIMIT);
    const children = Array.from({ length: GROUPS_MAX + 1 }, (_, i) => group.child(`c${i}`));
    config.write(FEED + guard("g", below(group)));
    const args = ["--config", config.path];
    const told = await oneOf("g", ...args);
    // The group itself is one of those that are looked at.
    expect(told.unseen.groups).toBe(2);
    // One in each child, as long as the board has room: those of two are not seen.
    const found = new Map<string, number>();
    let unseen: Group | undefined;
    for (let round = 0; round * BOARD < children.length; round += 1) {
      const here = children.slice(round * BOARD, (round + 1) * BOARD);
      const all = await Promise.all(here.map((child) => start(board, child, 1.5)));
      for (const [index, one] of all.entries()) {
        const why = (await whyOf(one, ...args)) ?? "";
        found.set(why, (found.get(why) ?? 0) + 1);
        if (why === "unsampled") unseen = here[index];
      }
      for (const one of all) await one.stop();
      board.clear();
    }
    expect(Object.fromEntries(found)).toEqual({
      candidate: children.length - 2,
      unsampled: 2,
    });
    // More than the largest that is seen holds: to kill that one would not help.
    const seen = await start(board, group, 2);
    await start(board, unseen ?? group, 6);
    expect((await oneOf("g", ...args)).unseen.bytes).toBeGreaterThan(5 * MB);
    const { out } = await Reprieve.ends(["explain", String(seen.pid), ...args]);
    expect(out).toMatch(
      /^workload \(\d+\) in .* would not be killed: more memory is held by nobody/,
    );
    expect((await rehearsed(...args)).victim).toBeNull();
  });

  test("names a designated handler, who answers instead of these orders", async () => {
    const door = await DoorScene.set();
    const { group } = door.scene;
    expect((await oneOf(group.path)).designated).toBeNull();
    const command = [binary, "handle", "--guard", door.guard, "--socket", door.socket];
    const handler = door.start(command, { inside: false, uid: UID });
    await door.told("designated");
    const { designated } = await oneOf(group.path);
    expect(designated).toEqual({ pid: handler.pid, uid: UID });
    kill(handler.pid, "SIGTERM");
    await door.told("resigned");
    await door.scene.end();
  });

  test("says so of those for whom too many come before", async () => {
    const group = tenants.child("a", LIMIT);
    const boards = [new Board(), new Board()] as const;
    config.write(FEED + guard("g", below(group)));
    for (let i = 0; i < BOARD; i += 1) await start(boards[0], group, 2);
    const smaller = await start(boards[1], group, 1.2);
    const told = await oneOf("g", "--config", config.path);
    expect(told.candidates.length + told.more_candidates).toBe(BOARD);
    expect(told.others).toMatchObject([{ why: "beyond", first: { pid: smaller.pid } }]);
  });
});

describeWith("explain with a negative score", kernelTest, scored, negativeScore);

function scored(): void {
  test("says so of one of oom_score_adj -1000", async () => {
    const scene = await Scene.set(OFTEN);
    const plan = { means: "touch", beforeKb: 3 * KB } as const;
    const immune = await scene.board.start(scene.group, plan, IMMUNE).ready();
    await scene.sampled();
    expect(await whyOf(immune)).toBe("unkillable");
    await scene.end();
  });
}
