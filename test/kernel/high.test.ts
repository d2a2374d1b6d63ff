// SPDX-License-Identifier: MIT
/** cgroup v2 only: memory.high as the switch. Whose it is, what crosses it, and what follows a hand-over. */
import { afterEach, expect } from "bun:test";
import { rmdirSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const MARGIN = LIMIT / 4;
const HIGH = memory.limitFor(LIMIT) - MARGIN;
const TEST_MS = 60_000;
/** Longer than any back-off's first step and a look. */
const CALM_MS = 3000;
/** native/limits.h: for who writes it, and for who writes there what was there before us. */
const YIELD_LEAST_MS = 1000;
const YIELD_AGAIN_MS = 100;

afterEach(cleanUp);

const v2 = onlyOnV2("v1 has memory.oom_control");

function opened(scene: Scene): Message[] {
  return scene.reprieve.messages.filter((m) => m.type === "incident.opened");
}

async function armedAt(group: Group, bytes: number): Promise<void> {
  await until(`memory.high of ${bytes}`, () => group.read("memory.high") === String(bytes));
}

/** Has the group hold so much of a file's memory as it can. */
async function fill(group: Group, file: string, mb: number): Promise<void> {
  const write = `echo $$ > ${group.path}/cgroup.procs; dd if=/dev/zero of=${file} bs=1M count=${mb}`;
  await Bun.spawn(["sh", "-c", write], { stdio: ["ignore", "ignore", "ignore"] }).exited;
}

describeWith("memory.high", kernelTest, () => {
  v2(
    "is a margin below memory.max while the group is guarded, and as before after",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      await armedAt(scene.group, HIGH);
      const { closed } = await scene.leak();
      expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
      await armedAt(scene.group, HIGH);
      expect(scene.group.oom().kills).toBe(0);
      await scene.end();
      expect(scene.reprieve.err).not.toContain("cannot");
    },
    TEST_MS,
  );

  v2(
    "follows memory.max",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      await armedAt(scene.group, HIGH);
      scene.group.setLimit(LIMIT + 8 * MB);
      await armedAt(scene.group, HIGH + 8 * MB);
      scene.group.setLimit(LIMIT);
      await armedAt(scene.group, HIGH);
      await scene.end();
    },
    TEST_MS,
  );

  v2(
    "that its owner had set lower is used, and never lifted",
    async () => {
      const group = new Group("owners", { limit: LIMIT });
      group.write("memory.high", String(HIGH - 4 * MB));
      const scene = await Scene.around(group, ["--margin", String(MARGIN)]);
      const { closed } = await scene.leak();
      expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
      expect(await scene.reprieve.stop()).toBe(0);
      expect(group.read("memory.high")).toBe(String(HIGH - 4 * MB));
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "and no memory.max: refused, with what to set",
    async () => {
      const group = new Group("none");
      const { code, err } = await Reprieve.ends(["run", "--cgroup", group.path, "--allow-kill"]);
      expect(code).toBe(78);
      expect(err).toContain("write one to its memory.max");
      await group.destroy();
    },
    TEST_MS,
  );

  v2(
    "that somebody else writes is left to him, told, and written again after a time",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      const { group, reprieve } = scene;
      await armedAt(group, HIGH);
      group.write("memory.high", String(HIGH + MB));
      await reprieve.message("guard", { where: (m) => m.event === "disarmed-by-other" });
      expect(group.read("memory.high")).toBe(String(HIGH + MB));
      await armedAt(group, HIGH);
      // Lower than ours: used, and left as it is.
      group.write("memory.high", String(HIGH - MB));
      await Bun.sleep(CALM_MS * 2);
      expect(group.read("memory.high")).toBe(String(HIGH - MB));
      expect((await scene.leak()).closed.outcome).toBe("relieved");
      expect(await reprieve.stop()).toBe(0);
      expect(group.read("memory.high")).toBe(String(HIGH - MB));
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "that says again what was there before is ours at once, and later where that comes again and again",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      const { group, reprieve } = scene;
      await armedAt(group, HIGH);
      const disarm = async () => {
        const from = reprieve.messages.length;
        const began = performance.now();
        group.write("memory.high", "max");
        await reprieve.message("guard", { from, where: (m) => m.event === "disarmed-by-other" });
        await armedAt(group, HIGH);
        return performance.now() - began;
      };
      const took = [await disarm(), await disarm(), await disarm(), await disarm()];
      expect(took[0]).toBeLessThan(YIELD_LEAST_MS);
      expect(took[3]).toBeGreaterThanOrEqual(4 * YIELD_AGAIN_MS);
      // Full of file memory, which keeps it at its mark.
      await Bun.sleep(CALM_MS);
      const file = `/root/reprieve-cache-${process.pid}`;
      await fill(group, file, 100);
      expect(await disarm()).toBeLessThan(YIELD_LEAST_MS);
      await scene.end();
      await Bun.file(file).delete();
    },
    TEST_MS,
  );

  v2(
    "goes with a quiet group, which is seen",
    async () => {
      const { group, reprieve, board } = await Scene.set(["--margin", String(MARGIN)]);
      await armedAt(group, HIGH);
      rmdirSync(group.path);
      const { code, err } = await reprieve.ended();
      expect(code).toBe(exit.noGroup);
      expect(err).toContain("somebody removed");
      await reprieve.gone();
      board.close();
    },
    TEST_MS,
  );

  v2(
    "of a group full of file memory: room is made for it first",
    async () => {
      const group = new Group("cache", { limit: LIMIT });
      const file = `/root/reprieve-cache-${process.pid}`;
      await fill(group, file, 60);
      expect(group.usage()).toBeGreaterThan(HIGH);
      const scene = await Scene.around(group, ["--margin", String(MARGIN)]);
      await armedAt(group, HIGH);
      expect(opened(scene)).toEqual([]);
      await scene.end();
      await Bun.file(file).delete();
    },
    TEST_MS,
  );

  v2(
    "crossed by file memory without end: no incident",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      const { group } = scene;
      const file = `/root/reprieve-cache-${process.pid}`;
      for (let i = 0; i < 3; i++) await fill(group, file, 100);
      expect(Number(/^high (\d+)/m.exec(group.read("memory.events"))?.[1])).toBeGreaterThan(0);
      expect(opened(scene)).toEqual([]);
      await scene.end();
      await Bun.file(file).delete();
    },
    TEST_MS,
  );

  v2(
    "a charge that jumps past memory.high is the kernel's kill, and told as that",
    async () => {
      const scene = await Scene.set(["--margin", String(4 * MB)]);
      const from = scene.reprieve.messages.length;
      const leaker = await scene.board
        .start(scene.group, { means: "populate", kb: LEAK_KB, chunkKb: LEAK_KB })
        .ready();
      leaker.go();
      await until("its death", () => !leaker.isAlive());
      const closed = await scene.closed(from);
      const byKernel = scene.group.oom().kills > 0;
      expect(closed.outcome).toBe(byKernel ? "kernel-first" : "relieved");
      if (byKernel) scene.expectKernelKilled(closed, leaker.pid);
      console.log(`a jump by MAP_POPULATE: ${closed.outcome}`);
      await scene.end();
    },
    TEST_MS,
  );
});

describeWith("memory.oom.group", kernelTest, () => {
  const NEVER = ["sh", "-c", 'echo -1000 > /proc/self/oom_score_adj && exec "$0" "$@"'];
  const steady = { means: "steady", beforeKb: 1024, pauseUs: 1000 } as const;

  /** A guard with its group's child, the leaker's, that has a child of its own; and one apart. */
  async function killed(whole: "guard" | "child" | "none") {
    const guard = new Group("whole", { limit: LIMIT });
    const child = guard.child("child", 2 * LIMIT);
    const groups = [child.child("below"), child.child("spared"), guard.child("apart")];
    if (whole !== "none") (whole === "guard" ? guard : child).write("memory.oom.group", "1");
    const scene = await Scene.around(guard, ["--margin", String(MARGIN)]);
    const { board, reprieve } = scene;
    const [below, spared, apart] = await Promise.all(
      groups.map((group, i) => board.start(group, steady, i === 1 ? NEVER : []).ready()),
    );
    await Bun.sleep(CALM_MS / 2); // sampled
    const leaker = await board.start(child, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("the leaker's death", () => !leaker.isAlive());
    expect((await scene.closed()).outcome).toBe("relieved");
    expect(scene.victims()).toEqual([leaker.pid]);
    const told = scene.steps("kill-group").map((step) => step.processes);
    await Bun.sleep(100);
    const alive = [below, spared, apart].map((workload) => workload?.isAlive());
    expect(guard.oom().kills).toBe(0);
    expect(await reprieve.stop()).toBe(0);
    await scene.strike();
    return { told, alive };
  }

  v2(
    "of the victim's group: it is killed with all below it, but for who is at -1000",
    async () => {
      expect(await killed("child")).toEqual({ told: [1], alive: [false, true, true] });
    },
    TEST_MS,
  );

  v2(
    "of the guard's group: all of it",
    async () => {
      expect(await killed("guard")).toEqual({ told: [2], alive: [false, true, false] });
    },
    TEST_MS,
  );

  v2(
    "of none: one process",
    async () => {
      expect(await killed("none")).toEqual({ told: [], alive: [true, true, true] });
    },
    TEST_MS,
  );
});

describeWith("the dead on v2", kernelTest, () => {
  v2(
    "release puts memory.high back from the ledger",
    async () => {
      const scene = await Scene.set(["--margin", String(MARGIN)]);
      const { group, reprieve } = scene;
      await armedAt(group, HIGH);
      reprieve.killAll();
      expect(group.read("memory.high")).toBe(String(HIGH));
      const { out } = await Reprieve.ends(["release"]);
      expect(out).toContain("its memory.high is as it was");
      expect(group.read("memory.high")).toBe("max");
      await scene.strike();
    },
    TEST_MS,
  );
});
