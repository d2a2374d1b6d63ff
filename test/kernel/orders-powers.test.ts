// SPDX-License-Identifier: MIT
/** The standing orders: powers that lack, and orders that do not go together. */
import { afterEach, expect, test } from "bun:test";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard } from "../helpers/config.ts";
import { DoorScene } from "../helpers/door.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, leakIn, ordered, words } from "../helpers/orders.ts";
import { SharedRegion } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const TEST_MS = 60_000;

const v1 = onlyOnV1("v2 has it");

afterEach(cleanUp);

/** Without --allow-kill. */
async function guarded(group: Group, args: readonly string[]): Promise<Reprieve> {
  const always = ["--json", "--listen", "none", "--delay", `${DELAY_MS}ms`];
  const reprieve = Reprieve.start(["run", "--cgroup", group.path, ...always, ...args]);
  await reprieve.armed();
  return reprieve;
}

describeWith("a power that lacks", kernelTest, () => {
  test(
    "for limits: the raise is observed, the kill is made",
    async () => {
      const scene = await Scene.set(ordered("raise=16M", "kill"));
      expect(scene.reprieve.err).toContain("--order raise is only observed: --allow-limits");
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("would").map(({ order }) => order)).toEqual(["raise"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(scene.group.limit()).toBe(LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "for kills: the kill is observed, the raise is made, the kernel decides",
    async () => {
      const group = new Group("limits", { limit: LIMIT });
      // What comes last has the rest of the delay, on a busy machine too.
      const args = ["--allow-limits", "--delay", "5s", ...ordered("kill", "raise=4M")];
      const reprieve = await guarded(group, args);
      const scene = await Scene.around(new Group("unused", { limit: LIMIT }));
      const leaker = await leakIn(scene, group, LEAK_KB);
      await until("the kernel's kill", () => !leaker.isAlive(), FINISH_MS * 2);
      await reprieve.message("incident.closed", { where: (m) => m.outcome === "handed-over" });
      const steps = reprieve.messages.filter((m) => m.type === "incident.step");
      expect(steps.map(({ step }) => step)).toContain("would-kill");
      expect(steps.some(({ step, result }) => step === "raise" && result === "ok")).toBe(true);
      expect(steps.some(({ step }) => step === "kill")).toBe(false);
      expect(await reprieve.stop()).toBe(0);
      await group.destroy();
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "of all: every order is observed",
    async () => {
      const group = new Group("none", { limit: LIMIT });
      const reprieve = await guarded(group, ordered("raise=16M", "kill"));
      const scene = await Scene.around(new Group("unused", { limit: LIMIT }));
      const leaker = await leakIn(scene, group, LEAK_KB);
      await until("the kernel's kill", () => !leaker.isAlive());
      const closed = await reprieve.message("incident.closed");
      expect(closed.outcome).toBe("observed");
      expect(group.limit()).toBe(LIMIT);
      expect(group.oom().kills).toBe(1);
      expect(await reprieve.stop()).toBe(0);
      await group.destroy();
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("flags that name groups", kernelTest, () => {
  const below = ({ path }: Group) => path.slice(memory.root.length);

  /** By the ends of their names, what each may do. */
  function powers({ messages }: Reprieve): unknown {
    const all = messages.filter(({ type }) => type === "armed");
    return Object.fromEntries(all.map((m) => [String(m.guard).split("-").at(-1), m.powers]));
  }

  test("--allow-kill=GLOB lets it kill there, and nowhere else", async () => {
    const groups = ["one", "two"].map((name) => new Group(name, { limit: LIMIT }));
    const paths = groups.flatMap(({ path }) => ["--cgroup", path]);
    const globs = ["--allow-kill=/none/*", "--allow-kill=/*-two"];
    const reprieve = Reprieve.start(["run", ...paths, ...globs, "--json", "--listen", "none"]);
    await reprieve.armed(2);
    expect(powers(reprieve)).toEqual({ one: [], two: ["kill"] });
    expect(reprieve.err).toMatch(/only observes kill in .*-one: --allow-kill lets it act/);
    const scene = await Scene.around(new Group("unused", { limit: LIMIT }));
    for (const [group, outcome] of [
      [groups[0], "observed"],
      [groups[1], "relieved"],
    ] as const) {
      const from = reprieve.messages.length;
      if (group === undefined) throw new RangeError("two groups");
      const leaker = await leakIn(scene, group, LEAK_KB);
      const closed = await reprieve.message("incident.closed", { from, boundMs: FINISH_MS });
      expect(closed.outcome).toBe(outcome);
      await until("the leaker's death", () => !leaker.isAlive());
    }
    expect(await reprieve.stop()).toBe(0);
    await scene.end();
  });

  test("--deny-kill wins over the config file, and over --allow-kill", async () => {
    const config = new ConfigFile();
    const [one, two] = [new Group("one", { limit: LIMIT }), new Group("two", { limit: LIMIT })];
    const guards = [guard("a", below(one)), guard("b", below(two))];
    config.write(`${FEED}[allow]\nkill = true\n${guards.join("")}`);
    const reprieve = await config.start(2, `--deny-kill=${below(one)}`, "--allow-kill");
    expect(powers(reprieve)).toEqual({ one: [], two: ["kill"] });
    expect(reprieve.err).toMatch(/guard a only observes kill in .*: --deny-kill forbids it/);
    expect(await reprieve.stop()).toBe(0);
    config.remove();
  });

  test("--deny-kill leaves CMD to the kernel", async () => {
    const leak = ["sh", "-c", "cat /dev/zero | tail -n 1"]; // keeps a line that has no end
    const flags = ["--limit", "48M", "--deny-kill", "--json", "--listen", "none"];
    const { code, messages } = await Reprieve.ends(["run", ...flags, "--", ...leak]);
    expect(code).toBe(137);
    expect(messages.some(({ step }) => step === "kill")).toBe(false);
  });
});

describeWith("an agent that orders what it has no power for", kernelTest, () => {
  const all = [
    "KILL_GROUP",
    "KILL_GROUP_ALL",
    "TERMINATE",
    "FREEZE",
    "MOVE",
    "HOOK",
    "KILL",
  ] as const;

  test(
    "is not obeyed: the native core asks for the power itself",
    async () => {
      const group = new Group("limits", { limit: LIMIT });
      const reprieve = await guarded(group, ["--allow-limits", ...ordered("raise=1M", "kill")]);
      const scene = await Scene.around(new Group("unused", { limit: LIMIT }));
      const region = new SharedRegion(await reprieve.helper("handler"));
      region.order("RAISE", ...all);
      region.close();
      const leaker = await leakIn(scene, group, LEAK_KB);
      await until("the kernel's kill", () => !leaker.isAlive(), FINISH_MS * 2);
      await reprieve.message("incident.closed", { where: (m) => m.outcome === "handed-over" });
      const steps = reprieve.messages.filter((m) => m.type === "incident.step");
      expect(steps.filter(({ step }) => step === "would").map((m) => m.order)).toEqual([
        "kill-group",
        "kill-group=all",
        "freeze",
        "move",
        "hook",
      ]);
      expect(steps.filter(({ step }) => step === "would-kill")).toHaveLength(2);
      const acts = ["kill", "kill-group", "terminate", "freeze", "move", "hook"];
      expect(steps.filter(({ step }) => acts.includes(String(step)))).toEqual([]);
      expect(group.oom().kills).toBe(1);
      expect(await reprieve.stop()).toBe(0);
      await group.destroy();
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "nor where it has only the power to kill",
    async () => {
      const scene = await Scene.set(ordered("kill", "kill-group"));
      const region = new SharedRegion(await scene.reprieve.helper("handler"));
      region.order("RAISE", "MOVE", "HOOK", "KILL");
      region.close();
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("would").map((m) => m.order)).toEqual(["raise", "move", "hook"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("the power to kill, where no order needs it", kernelTest, () => {
  test(
    "holds the group for a designated handler",
    async () => {
      const door = await DoorScene.set(["--delay", "8s", ...ordered("raise=4M")]);
      const { scene } = door;
      const [armed] = scene.reprieve.messages.filter(({ type }) => type === "armed");
      expect(armed).toMatchObject({ powers: ["kill"], orders: ["raise"] });
      expect(scene.reprieve.err).not.toContain("--allow-kill is for nothing");
      door.example(false);
      await door.told("designated");
      await door.leakToDeath();
      expect(scene.group.oom().kills).toBe(0);
      expect(scene.steps("handed-over")).toEqual([]);
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("orders that do not go together", kernelTest, () => {
  const long = ordered("raise=1M", "move=/", "kill", "kill-group");
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [ordered("kill", "kill"), "--order kill is given twice"],
    [[...long, "--delay", "50ms"], "the orders before the last may take"],
    [[...ordered("kill-group=all"), "--handler", "inside"], "would kill the handler"],
  ];
  for (const [args, why] of wrong) {
    test(`${args.join(" ")}: refused`, async () => {
      const group = new Group("wrong", { limit: LIMIT });
      const { code, err } = await Reprieve.ends(["run", "--cgroup", group.path, ...args]);
      expect(`${code} ${err}`).toContain(`${exit.usage} `);
      expect(err).toContain(why);
      await group.destroy();
    });
  }

  v1("reclaim and freeze: refused, with what they need", async () => {
    const group = new Group("wrong", { limit: LIMIT });
    for (const order of ["reclaim", "freeze"]) {
      const args = ["run", "--cgroup", group.path, ...ordered(order)];
      const { code, err } = await Reprieve.ends(args);
      expect(code).toBe(exit.usage);
      expect(err).toContain(`--order ${order} needs cgroup v2`);
    }
    await group.destroy();
  });

  test("a move into the guarded group: refused", async () => {
    const group = new Group("wrong", { limit: LIMIT });
    const to = group.child("inside");
    const args = ["run", "--cgroup", group.path, ...ordered(`move=${to.path}`)];
    const { code, err } = await Reprieve.ends(args);
    expect(code).toBe(exit.usage);
    expect(err).toContain("it is in the guarded group");
    await group.destroy();
  });
});
