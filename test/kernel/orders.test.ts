// SPDX-License-Identifier: MIT
/** The standing orders: each step relieves an OOM, and failing leads to the next. orders-raise.test.ts has "raise". */
import { afterEach, expect, test } from "bun:test";
import { rmdirSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, finished, KB, leakIn, limitIs, ordered, words } from "../helpers/orders.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
/** For what should not happen. */
const CALM_MS = 1000;

const v2 = onlyOnV2("v1 has neither memory.reclaim nor a freezer of the group's own");

afterEach(cleanUp);

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
      const [armed] = scene.reprieve.messages.filter(({ type }) => type === "armed");
      expect(armed?.orders).toEqual(["kill-group=all"]);
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

  /** A leaker, when it has been moved and has all it wanted. */
  async function moved(scene: Scene, spare: Group): Promise<Workload> {
    const leaker = await leakIn(scene, scene.group, LEAK_KB);
    await until("its arrival", () => spare.procs().includes(leaker.pid));
    await finished(leaker);
    return leaker;
  }

  async function endMoved(scene: Scene, spare: Group, leaker: Workload): Promise<void> {
    await leaker.stop();
    await limitIs(scene.group, LIMIT);
    await scene.end();
    await spare.destroy();
  }

  function holding(scene: Scene): Promise<Workload> {
    return scene.board.start(scene.group, { means: "touch", beforeKb: KB }).ready();
  }

  test(
    "takes the largest to the group that was named, where it goes on",
    async () => {
      const { spare, scene } = await withSpare("kill");
      const neighbour = await holding(scene);
      const leaker = await moved(scene, spare);
      expect(scene.victims()).toEqual([]);
      expect(words(await scene.closed())).toBe("relieved moved");
      expect(neighbour.isAlive()).toBe(true);
      await endMoved(scene, spare, leaker);
    },
    TEST_MS,
  );

  test(
    "is never followed by a kill of who was moved, whose memory is still charged here",
    async () => {
      const { spare, scene } = await withSpare("kill");
      // It goes on in a group that is full for good.
      await scene.neighbour(4 * KB);
      const leaker = await moved(scene, spare);
      await Bun.sleep(CALM_MS);
      expect(scene.victims()).not.toContain(leaker.pid);
      expect(leaker.isAlive()).toBe(true);
      await endMoved(scene, spare, leaker);
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
      // What a CPU holds in stock is in the usage, and goes when dd has ended: at most what still counts as full.
      const full = Math.ceil(scene.group.usage() / 4096) * 4096;
      const limit = String(full + Number(armed?.margin_bytes));
      // Nobody grows: it is looked at when the limit is written.
      await until("an incident", () => {
        scene.group.write(memory.limitFile, limit);
        return scene.reprieve.messages.some((m) => m.type === "incident.opened");
      });
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
