// SPDX-License-Identifier: MIT
/** `explain` says what is done: its first candidate is the one then killed, and everybody else is told why not. */
import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { WHY } from "../../src/cli/explain-text.ts";
import type { Explanation, ProcessTold } from "../../src/cli/explanation.ts";
import type { Rehearsal } from "../../src/cli/rehearsal.ts";
import { exit } from "../../src/errors.ts";
import { limit } from "../../src/native/layout.ts";
import { endsAsUser, UID } from "../helpers/as-user.ts";
import { ConfigFile, FEED, guard, onStage, type Tenants } from "../helpers/config.ts";
import { DoorScene } from "../helpers/door.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { SharedRegion } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, negativeScore, onlyOnV1 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Plan, type Workload } from "../helpers/workload.ts";

const KB = 1024;
const SAMPLED_MS = 1200; // SAMPLE_FAR_MS of native/limits.h, and some
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

/** One JSON object a group. */
async function explained(...args: string[]): Promise<Explanation[]> {
  const explain = Reprieve.start(["explain", ...args, "--json"]);
  const ended = await explain.ended();
  expect(explain.leftovers()).toEqual([]);
  expect(ended.err).toBe("");
  expect(ended.code).toBe(exit.ok);
  return ended.messages as unknown as Explanation[];
}

async function oneOf(...args: string[]): Promise<Explanation> {
  const [first, ...others] = await explained(...args);
  expect(others).toEqual([]);
  if (first === undefined) throw new Error("nothing was explained");
  return first;
}

function pidsOf({ candidates }: Explanation): number[] {
  return candidates.map(({ pid }) => pid);
}

function below(group: Group): string {
  return group.path.slice(memory.root.length);
}

function start(board: Board, group: Group, megabytes: number, more: Partial<Plan> = {}) {
  return board.start(group, { means: "touch", beforeKb: megabytes * KB, ...more }).ready();
}

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
    const scene = await Scene.set();
    const { board, group, reprieve } = scene;
    const small = await start(board, group, 4);
    const large = await start(board, group, 20);
    const middle = await start(board, group, 9);
    await Bun.sleep(SAMPLED_MS);
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
    const scene = await Scene.set(["--prefer", "cgroup=workers"]);
    const { board, group } = scene;
    const large = await start(board, group, 20);
    const small = await start(board, group.child("workers"), 8);
    await Bun.sleep(SAMPLED_MS);
    const rules = 'prefer = ["cgroup=workers"]\n';
    config.write(`${FEED}[allow]\nkill = true\n${guard("g", below(group), rules)}`);
    const guarded = await oneOf(group.path, "--config", config.path);
    expect(pidsOf(guarded)).toEqual([small.pid, large.pid]);
    expect(guarded.candidates.map(({ weight }) => weight)).toEqual([4, 1]);
    await scene.reprieve.stop();
    const looked = await oneOf(group.path, "--config", config.path);
    expect(looked.reprieve).toBeNull();
    const still = ({ age_s: _, ...told }: ProcessTold) => told;
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

  test("goes by the file that each of those was started with that run", async () => {
    const other = new ConfigFile();
    memory.handDown(tenants.path);
    const child = (name: string) => tenants.child(name, LIMIT);
    const [a, b, c] = [child("a"), child("b"), child("c")];
    const name = `g-${process.pid}`;
    const started = async (file: ConfigFile, group: Group, more: string) => {
      file.write(`${FEED}${guard(name, below(group), more)}`);
      return { file, group, reprieve: await file.start(1) };
    };
    const both = [await started(config, a, ""), await started(other, b, 'delay = "70ms"\n')];
    const byFlags = await Reprieve.guard([c.path]);
    for (const { file, group, reprieve } of both) {
      const told = await oneOf(below(group));
      expect(told).toMatchObject({ config: file.path, reprieve: reprieve.pid, differs: [] });
      expect(told.rules).toMatchObject([{ guard: name, decides: true }]);
      expect(told.orders[0]?.by).toBe("[allow] kill does not name it");
    }
    const byName = (await explained(name)).map(({ cgroup }) => cgroup);
    expect(byName.toSorted()).toEqual([below(a), below(b)]);
    expect(await oneOf(below(c))).toMatchObject({ config: null, rules: [], differs: [] });
    // Others of this host are told of too.
    const { messages } = await Reprieve.ends(["explain", "--json"]);
    const cgroups = (messages as unknown as Explanation[]).map(({ cgroup }) => cgroup);
    expect(cgroups).toEqual(expect.arrayContaining([below(a), below(b), below(c)]));
    const byOther = await oneOf(below(a), "--config", other.path);
    expect(byOther).toMatchObject({ config: other.path, rules: [] });
    other.write("guard = 1\n");
    const { err, code } = await Reprieve.ends(["explain", below(b)]);
    expect([code, err]).toEqual([0, expect.stringContaining("goes by its file as it was")]);
    for (const one of [...both.map(({ reprieve }) => reprieve), byFlags]) {
      expect(await one.stop()).toBe(0);
    }
    other.remove();
  });

  test("says once that a reprieve is of another version, however many groups that guards", async () => {
    const groups = [new Group("a", { limit: LIMIT }), new Group("b", { limit: LIMIT })];
    const reprieve = await Reprieve.guard(groups.map(({ path }) => path));
    const region = new SharedRegion(await reprieve.helper("handler"));
    region.layoutIs(1);
    const { err } = await Reprieve.ends(["explain"]);
    expect(err.split(`reprieve ${reprieve.pid} is of another version`)).toHaveLength(2);
    region.layoutIs(limit.REGION_LAYOUT);
    region.close();
    expect(await reprieve.stop()).toBe(0);
    for (const group of groups) await group.destroy();
  });

  test("says of everybody else why he is none", async () => {
    const scene = await Scene.set(["--handler", "inside"]);
    const { board, group, reprieve } = scene;
    const tiny = await board.start(group, { means: "touch", beforeKb: 64 }).ready();
    const mover = await board.start(null, { means: "outside", beforeKb: 6 * KB }).ready();
    await Bun.sleep(SAMPLED_MS);
    group.add(mover.pid);
    await Bun.sleep(SAMPLED_MS);
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
    const scene = await Scene.set();
    const plan = { means: "thread-in", beforeKb: 64, kb: 8 * KB } as const;
    const outside = await scene.board.start(scene.group, plan).ready();
    outside.go();
    await until("it to have grown", () => outside.word("done") === 1);
    await Bun.sleep(SAMPLED_MS);
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

  test("shows a hostile name as text", async () => {
    const group = tenants.child("a\u001b[2J", LIMIT);
    await start(board, group, 2);
    config.write(FEED + guard("g", `${tenants.at}/*`));
    const ended = await Reprieve.ends(["explain", "--config", config.path]);
    expect(ended.err).not.toContain("internal");
    expect(ended.out).not.toContain("\u001b");
    expect(ended.out).toContain("a\u{fffd}[2J");
    config.write(FEED + guard("g", `${tenants.at}/none-*`));
    const nobody = await Reprieve.ends(["explain", below(group), "--config", config.path]);
    expect(nobody.err).toContain("a\u{fffd}[2J: no reprieve does");
  });

  test("says why a run would leave a group alone, and tells of it all the same", async () => {
    const group = tenants.child("a", LIMIT);
    group.setNoLimit();
    const one = await start(board, group, 2);
    config.write(FEED + guard("g", below(group)));
    const told = await oneOf("g", "--config", config.path);
    expect(told.why_not).toContain("refusing to guard");
    expect(pidsOf(told)).toEqual([one.pid]);
    expect(told.orders).toMatchObject([{ acts: false, by: "[allow] kill does not name it" }]);
  });

  test("works for a user without rights, and says of another's reprieve that it cannot be seen", async () => {
    const scene = await Scene.set();
    const one = await start(scene.board, scene.group, 2);
    const refused = await endsAsUser(["explain", scene.group.path]);
    expect(refused.err).toContain("cannot look into the reprieve that guards");
    expect(refused.code).toBe(exit.notPermitted);
    await scene.reprieve.stop();
    config.write(FEED + guard("g", below(scene.group)));
    chmodSync(config.dir, 0o755);
    const told = await endsAsUser(["explain", "g", "--config", config.path, "--json"]);
    expect(told.messages).toMatchObject([{ candidates: [{ pid: one.pid }] }]);
    await scene.strike();
  });

  test.each([
    [["explain", "/no/such"], exit.noGroup, "cannot explain /no/such: no such cgroup"],
    [["explain", "4194304"], exit.noGroup, "there is no process 4194304"],
    [["explain", "."], exit.unsafe, "it is the root group"],
    [["explain", "/"], exit.noGroup, "it is not under the memory hierarchy"],
    [["explain", "", "x"], exit.usage, "too many arguments for 'explain'"],
    [["explain", "--config", "/no.toml"], exit.badConfig, "/no.toml: "],
    [["explain", "--jsno"], exit.usage, "(Did you mean --json?)"],
  ])("%p ends with %d", async (args, code, says) => {
    const ended = await Reprieve.ends(args);
    expect(ended.err).toContain(says);
    expect(ended.code).toBe(code);
    expect(ended.out).toBe("");
  });

  test("tells of a group that nobody guards", async () => {
    const group = tenants.child("a", LIMIT);
    const one = await start(board, group, 2);
    config.write(FEED + guard("g", `${tenants.at}/b*`));
    for (const what of [below(group), String(one.pid), "g"]) {
      const ended = await Reprieve.ends(["explain", what, "--config", config.path]);
      expect(ended.code).toBe(exit.noGroup);
    }
  });
});

describeWith("explain with a negative score", kernelTest, scored, negativeScore);

function scored(): void {
  test("says so of one of oom_score_adj -1000", async () => {
    const scene = await Scene.set();
    const plan = { means: "touch", beforeKb: 3 * KB } as const;
    const immune = await scene.board.start(scene.group, plan, IMMUNE).ready();
    await Bun.sleep(SAMPLED_MS);
    expect(await whyOf(immune)).toBe("unkillable");
    await scene.end();
  });
}
