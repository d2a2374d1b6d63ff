// SPDX-License-Identifier: MIT
/** The standing orders: each step relieves an OOM, and failing leads to the next; powers; what is owed is given back. */
import { afterEach, expect, test } from "bun:test";
import { rmdirSync } from "node:fs";
import { constants as os } from "node:os";
import { exit } from "../../src/errors.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, onlyOnV2 } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const KB = 1024;
/** More than the limit, less than that raised by RAISE. */
const LITTLE_MORE_KB = (LIMIT + 4 * MB) / KB;
const RAISE = 16 * MB;
/** Who sleeps over memory.high goes on after that, and then needs a CPU. */
const FINISH_MS = 5000 + memory.sleepsOnMs;

/** For what should not happen. */
const CALM_MS = 1000;

const v1 = onlyOnV1("v2 has it");
const v2 = onlyOnV2("v1 has neither memory.reclaim nor a freezer of the group's own");

afterEach(cleanUp);

function ordered(...orders: readonly string[]): string[] {
  return orders.flatMap((order) => ["--order", order]);
}

/** With the power to kill by Scene; each test names the others. */
function around(group: Group, ...args: readonly string[]): Promise<Scene> {
  return Scene.around(group, args);
}

async function leakIn(scene: Scene, group: Group, kb: number): Promise<Workload> {
  const leaker = await scene.board.start(group, { means: "touch", kb }).ready();
  leaker.go();
  return leaker;
}

async function finished(leaker: Workload): Promise<void> {
  await until("the leak to be over", () => leaker.word("done") === 1, FINISH_MS);
}

function words({ outcome, reason }: Message): string {
  return `${outcome} ${reason}`;
}

function limitIs(group: Group, bytes: number): Promise<boolean> {
  return until(`a limit of ${bytes}`, () => group.limit() === bytes, FINISH_MS);
}

/** A scene whose limit is raised by RAISE, and needed by who is returned. */
async function raised(...more: readonly string[]) {
  const scene = await Scene.set(["--allow-limits", ...ordered(`raise=${RAISE}`), ...more]);
  const leaker = await leakIn(scene, scene.group, LITTLE_MORE_KB);
  const closed = await scene.closed();
  expect(words(closed)).toBe("relieved raised");
  await finished(leaker);
  expect(scene.group.limit()).toBe(LIMIT + RAISE);
  return { scene, leaker };
}

describeWith("the order raise", kernelTest, () => {
  test(
    "relieves, and is given back when the group has room again",
    async () => {
      const { scene, leaker } = await raised(...ordered("kill"));
      expect(scene.victims()).toEqual([]);
      expect(Number(scene.steps("raise")[0]?.bytes)).toBe(RAISE);
      expect(leaker.isAlive()).toBe(true);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.reprieve.message("guard", { where: (m) => m.event === "given-back" });
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is bounded, and the next order follows",
    async () => {
      const args = ["--allow-limits", ...ordered("raise=4M:6M", "kill")];
      const scene = await Scene.set(args);
      const first = await leakIn(scene, scene.group, (LIMIT + 2 * MB) / KB);
      expect(words(await scene.closed())).toBe("relieved raised");
      await finished(first);
      const second = await leakIn(scene, scene.group, (8 * MB) / KB);
      await until("a kill", () => scene.victims().length > 0, FINISH_MS);
      expect(scene.victims()).toEqual([first.pid]);
      await finished(second);
      const added = scene.steps("raise").map(({ bytes }) => Number(bytes ?? 0));
      expect(Math.max(...added)).toBeLessThanOrEqual(6 * MB);
      expect(Math.max(...added)).toBeGreaterThan(0);
      await second.stop();
      await limitIs(scene.group, LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is given back by release, and not before there is room, when everything of ours was killed",
    async () => {
      const { scene, leaker } = await raised();
      scene.reprieve.killAll();
      const early = await Reprieve.ends(["release"]);
      expect(early.code).toBe(exit.inUse);
      expect(early.out).toContain("was raised and still needs that");
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      await leaker.stop();
      const { out } = await Reprieve.ends(["release"]);
      expect(out).toContain(`${scene.group.path}: its limit is as it was`);
      await scene.expectAsBefore();
    },
    TEST_MS,
  );

  test(
    "is given back by the next start",
    async () => {
      const { scene, leaker } = await raised();
      scene.reprieve.killAll();
      await leaker.stop();
      scene.reprieve = await Reprieve.guard([scene.group.path]);
      expect(scene.group.limit()).toBe(LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is given back by the watchers when the agent is dead",
    async () => {
      const { scene, leaker } = await raised();
      const { pid } = scene.reprieve;
      kill(pid, "SIGKILL");
      await Bun.sleep(1000);
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.expectAsBefore();
    },
    TEST_MS,
  );

  test(
    "that the group still needs at the end is left, told, and release's",
    async () => {
      const { scene, leaker } = await raised();
      expect(await scene.reprieve.stop()).toBe(0);
      expect(scene.reprieve.err).toContain("stays raised");
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      await leaker.stop();
      const { out } = await Reprieve.ends(["release"]);
      expect(out).toContain(`${scene.group.path}: its limit is as it was`);
      await scene.expectAsBefore();
    },
    TEST_MS,
  );

  test(
    "is not given back over a limit that the owner has set since",
    async () => {
      const { scene, leaker } = await raised();
      scene.group.setLimit(LIMIT + 2 * RAISE);
      await leaker.stop();
      await scene.reprieve.message("guard", { where: (m) => m.event === "given-back" });
      expect(scene.group.limit()).toBe(LIMIT + 2 * RAISE);
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  test(
    "in CMD's own group takes no flag",
    async () => {
      const board = new Board();
      const orders = ordered(`raise=${RAISE}`, "kill");
      const numbers = [0, LITTLE_MORE_KB, 4, 0, 1].map(String);
      const cmd = [fixture("workload"), board.file, "0", "-", "touch", ...numbers];
      const args = ["run", "--limit", String(memory.limitFor(LIMIT)), "--listen", "none"];
      const reprieve = Reprieve.start([...args, "--json", ...orders, "--", ...cmd]);
      const leaker = await board.first().ready();
      leaker.go();
      expect(words(await reprieve.message("incident.closed"))).toBe("relieved raised");
      await finished(leaker);
      expect(await reprieve.stop()).toBe(exit.signal + os.signals.SIGTERM);
      board.close();
    },
    TEST_MS,
  );
});

describeWith("a power that lacks", kernelTest, () => {
  async function guarded(group: Group, args: readonly string[]): Promise<Reprieve> {
    const always = ["--json", "--listen", "none", "--delay", `${DELAY_MS}ms`];
    const reprieve = Reprieve.start(["run", "--cgroup", group.path, ...always, ...args]);
    await reprieve.armed();
    return reprieve;
  }

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
    "for kills: the raise is made, the kill is observed, the kernel decides",
    async () => {
      const group = new Group("limits", { limit: LIMIT });
      const args = ["--allow-limits", ...ordered("raise=4M", "kill")];
      const reprieve = await guarded(group, args);
      const scene = await around(new Group("unused", { limit: LIMIT }));
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
      const scene = await around(new Group("unused", { limit: LIMIT }));
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

describeWith("the order kill-group", kernelTest, () => {
  test(
    "takes the child in which the largest lives, and nobody else",
    async () => {
      const scene = await Scene.set(ordered("kill-group", "kill"));
      const child = scene.group.child("child");
      const plan = { means: "touch", beforeKb: 1024 } as const;
      const beside = await scene.board.start(child.child("deeper"), plan).ready();
      const neighbour = await scene.board.start(scene.group.child("other"), plan).ready();
      const leaker = await leakIn(scene, child, LEAK_KB);
      const closed = await scene.closed();
      expect(words(closed)).toBe("relieved killed");
      await until("the child's end", () => !leaker.isAlive() && !beside.isAlive());
      expect(neighbour.isAlive()).toBe(true);
      expect(scene.steps("kill-group").map(({ processes }) => processes)).toEqual([2]);
      expect(scene.victims()).toEqual([]);
      expect(scene.group.oom().kills).toBe(0);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "kills nobody where the largest is in no child, and the next order follows",
    async () => {
      const scene = await Scene.set(ordered("kill-group", "kill"));
      const other = await scene.board
        .start(scene.group.child("child"), { means: "touch", beforeKb: 1024 })
        .ready();
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("kill-group").map(({ result }) => result)).toEqual(["ESRCH"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(other.isAlive()).toBe(true);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "=all takes everybody in the group",
    async () => {
      const scene = await Scene.set(ordered("kill-group=all"));
      const plan = { means: "touch", beforeKb: 1024 } as const;
      const others = [
        await scene.board.start(scene.group.child("child"), plan).ready(),
        await scene.board.start(scene.group, plan).ready(),
      ];
      const leaker = await leakIn(scene, scene.group, LEAK_KB);
      expect(words(await scene.closed())).toBe("relieved killed");
      await until("everybody's end", () => ![leaker, ...others].some((one) => one.isAlive()));
      expect(scene.group.oom().kills).toBe(0);
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("the order move", kernelTest, () => {
  async function withSpare(...orders: readonly string[]) {
    const spare = new Group("spare");
    const args = ordered(`move=${spare.path}`, ...orders);
    return { spare, scene: await Scene.set(["--allow-move", "--allow-limits", ...args]) };
  }

  function holding(scene: Scene): Promise<Workload> {
    return scene.board.start(scene.group, { means: "touch", beforeKb: KB }).ready();
  }

  test(
    "takes the largest to the group that was named, where it goes on",
    async () => {
      const { spare, scene } = await withSpare("kill");
      const neighbour = await holding(scene);
      const leaker = await leakIn(scene, scene.group, LEAK_KB);
      await until("its arrival", () => spare.procs().includes(leaker.pid));
      await finished(leaker);
      expect(scene.victims()).toEqual([]);
      expect(words(await scene.closed())).toBe("relieved moved");
      expect(neighbour.isAlive()).toBe(true);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.end();
      await spare.destroy();
    },
    TEST_MS,
  );

  test(
    "is never followed by a kill of who was moved, whose memory is still charged here",
    async () => {
      const { spare, scene } = await withSpare("kill");
      // It goes on in a group that is full for good.
      await scene.neighbour(4 * KB);
      const leaker = await leakIn(scene, scene.group, LEAK_KB);
      await until("its arrival", () => spare.procs().includes(leaker.pid));
      await finished(leaker);
      await Bun.sleep(CALM_MS);
      expect(scene.victims()).not.toContain(leaker.pid);
      expect(leaker.isAlive()).toBe(true);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.end();
      await spare.destroy();
    },
    TEST_MS,
  );

  test(
    "to a group that is gone fails, and the next order follows",
    async () => {
      const { spare, scene } = await withSpare("kill");
      rmdirSync(spare.path);
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("move").map(({ result }) => result)).toEqual(["ENODEV"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "without its power is observed",
    async () => {
      const spare = new Group("spare");
      const scene = await Scene.set(ordered(`move=${spare.path}`, "kill"));
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("would").map(({ order }) => order)).toEqual(["move"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
      await spare.destroy();
    },
    TEST_MS,
  );
});

describeWith("the order reclaim", kernelTest, () => {
  v2(
    "relieves where that little makes room",
    async () => {
      const args = ["--allow-limits", ...ordered("reclaim", "kill")];
      const scene = await Scene.set(args);
      const holder = await scene.board
        .start(scene.group, { means: "touch", beforeKb: (LIMIT / KB) * 0.75 })
        .ready();
      // Under 1 MiB of page cache is none, for who asks whether there is an OOM: it makes room all the same.
      const file = `/root/reprieve-cache-${process.pid}`;
      const write = `echo $$ > ${scene.group.path}/cgroup.procs; dd if=/dev/zero of=${file} bs=100k count=8 conv=fsync`;
      await Bun.$`sh -c ${write}`.quiet();
      const [armed] = scene.reprieve.messages.filter((m) => m.type === "armed");
      const full = Math.ceil((scene.group.usage() + 128 * KB) / 4096) * 4096;
      scene.group.write(memory.limitFile, String(full + Number(armed?.margin_bytes)));
      expect(words(await scene.closed())).toBe("relieved reclaimed");
      expect(scene.steps("reclaim").map(({ result }) => result)).toEqual(["ok"]);
      expect(scene.victims()).toEqual([]);
      expect(holder.isAlive()).toBe(true);
      await Bun.file(file).delete();
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "where there is nothing to reclaim leads to the next order",
    async () => {
      const args = ["--allow-limits", ...ordered("reclaim", "kill")];
      const scene = await Scene.set(args);
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("reclaim").length).toBeGreaterThan(0);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("the order freeze", kernelTest, () => {
  const freezeOf = (group: Group) => group.read("cgroup.freeze");

  v2(
    "holds the child that has the most still while the next order is carried out, and thaws it",
    async () => {
      const scene = await Scene.set(ordered("freeze", "kill"));
      const child = scene.group.child("child", 2 * LIMIT);
      const beside = await scene.board.start(child, { means: "steady", pauseUs: 200 }).ready();
      beside.go();
      const leaker = await leakIn(scene, child, LEAK_KB);
      const closed = await scene.closed();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("freeze").map(({ result }) => result)).toEqual(["ok"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      await until("the thaw", () => freezeOf(child) === "0");
      const turns = beside.word("turns");
      await until("a turn", () => beside.word("turns") > turns, FINISH_MS);
      await scene.end();
    },
    TEST_MS,
  );

  v2(
    "without a child that has memory of its own fails, and the next order follows",
    async () => {
      const scene = await Scene.set(ordered("freeze", "kill"));
      const { closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.steps("freeze").map(({ result }) => result)).toEqual(["ENOENT"]);
      await scene.end();
    },
    TEST_MS,
  );

  v2(
    "is undone by release when everything of ours was killed",
    async () => {
      const scene = await Scene.set(ordered("freeze"));
      const child = scene.group.child("child", 2 * LIMIT);
      await leakIn(scene, child, LEAK_KB);
      await until("the freeze", () => freezeOf(child) === "1");
      scene.reprieve.killAll();
      expect(freezeOf(child)).toBe("1");
      const { out } = await Reprieve.ends(["release"]);
      expect(out).toContain("thawed");
      expect(freezeOf(child)).toBe("0");
      await scene.expectAsBefore();
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
