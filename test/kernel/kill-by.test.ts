// SPDX-License-Identifier: MIT
/** kill=newest, kill=fastest, kill=weight: not the largest is taken, whether anybody has seen it before or not. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { memory } from "../helpers/memory.ts";
import { ordered, words } from "../helpers/orders.ts";
import { sampled } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Plan, Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const KB = 1024;
const SAMPLED_MS = 1200; // SAMPLE_FAR_MS of native/limits.h, and some
const share = (part: number) => Math.round((LIMIT / KB) * part);
/** Near all the time, as always on v2: no threshold makes the sampler look just when a fork grows. */
const ALWAYS_NEAR = memory.armsLate ? ["--margin", "44M"] : [];

afterEach(cleanUp);

/** The kernel tells starts by 10 ms: of those in one the larger is taken. */
const nextTick = () => Bun.sleep(20);

/** One that stands still, seen by the sampler. */
async function standing(scene: Scene, part: number): Promise<Workload> {
  await nextTick();
  return scene.board.start(scene.group, { means: "touch", beforeKb: share(part) }).ready();
}

function growing(scene: Scene, part: number, more: Partial<Plan> = {}): Promise<Workload> {
  return scene.board.start(scene.group, { means: "touch", kb: share(part), ...more }).ready();
}

function evidence(scene: Scene): unknown[] {
  return scene.steps("chose").map((step) => step.evidence);
}

async function expectOnly(scene: Scene, pid: number, ...others: Workload[]): Promise<void> {
  expect(scene.victims()).toEqual([pid]);
  expect(others.map((one) => one.isAlive())).toEqual(others.map(() => true));
  await scene.end();
}

describeWith("kill=newest", kernelTest, () => {
  test(
    "takes who started last, though the oldest grows and another is larger",
    async () => {
      const scene = await Scene.set([...OFTEN, ...ordered("kill=newest")]);
      const oldest = await growing(scene, 0.6);
      const large = await standing(scene, 0.35);
      const newest = await standing(scene, 0.15);
      await scene.sampled();
      oldest.go();
      expect(words(await scene.closed())).toBe("relieved killed");
      expect(evidence(scene)).toEqual(["newest"]);
      await expectOnly(scene, newest.pid, oldest, large);
    },
    TEST_MS,
  );

  test(
    "takes one that was born since the last look, though another is larger",
    async () => {
      const scene = await Scene.set([...ordered("kill=newest"), ...ALWAYS_NEAR]);
      const large = await standing(scene, 0.6);
      const born = { means: "newborn", beforeKb: 1024 } as const;
      const parent = await growing(scene, 1.5, born);
      await scene.sampled();
      parent.go();
      await scene.closed();
      await expectOnly(scene, parent.pids()[1] ?? 0, large, parent);
    },
    TEST_MS,
  );

  test(
    "passes over a newer one that is not worth a kill",
    async () => {
      const scene = await Scene.set([...OFTEN, ...ordered("kill=newest")]);
      const leaker = await growing(scene, 1.5);
      const small = await standing(scene, 0);
      await scene.sampled();
      leaker.go();
      await scene.closed();
      await expectOnly(scene, leaker.pid, small);
    },
    TEST_MS,
  );

  test(
    "says to kill-group whose child it is",
    async () => {
      const scene = await Scene.set([...OFTEN, ...ordered("kill-group", "kill=newest")]);
      const oldest = await growing(scene, 0.7);
      const child = scene.group.child("child");
      const plan = { means: "touch", beforeKb: share(0.35) } as const;
      await nextTick();
      const newest = await scene.board.start(child, plan).ready();
      await scene.sampled();
      oldest.go();
      expect(words(await scene.closed())).toBe("relieved killed");
      await until("its end", () => !newest.isAlive());
      expect(scene.steps("kill-group").map(({ processes }) => processes)).toEqual([1]);
      expect(oldest.isAlive()).toBe(true);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "without the power says who it would have been",
    async () => {
      const { group, board, reprieve } = await Scene.set([...OFTEN, ...ordered("kill=newest")]);
      await reprieve.stop();
      const args = ["run", "--cgroup", group.path, "--json", "--listen", "none"];
      const more = [...OFTEN, "--delay", `${DELAY_MS}ms`, ...ordered("kill=newest")];
      const observing = Reprieve.start([...args, ...more]);
      await observing.armed(1);
      const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
      await nextTick();
      const newest = await board.start(group, { means: "touch", beforeKb: share(0.1) }).ready();
      await sampled(observing);
      leaker.go();
      await observing.message("incident.closed");
      const would = observing.messages.find(({ step }) => step === "would-kill");
      expect(would).toMatchObject({ pid: newest.pid, evidence: "newest" });
      await observing.stop();
      await group.destroy();
      board.close();
    },
    TEST_MS,
  );
});

describeWith("kill=fastest", kernelTest, () => {
  test(
    "takes who has grown in the last second, though another is larger",
    async () => {
      const scene = await Scene.set(ordered("kill=fastest"));
      const grows = await growing(scene, 0.5);
      const large = await standing(scene, 0.6);
      await Bun.sleep(2 * SAMPLED_MS);
      grows.go();
      await scene.closed();
      expect(evidence(scene)).toEqual(["fastest"]);
      await expectOnly(scene, grows.pid, large);
    },
    TEST_MS,
  );

  test(
    "takes one that was born since the last look",
    async () => {
      const scene = await Scene.set([...ordered("kill=fastest"), ...ALWAYS_NEAR]);
      const large = await standing(scene, 0.6);
      const parent = await growing(scene, 1.5, { means: "newborn", beforeKb: 1024 });
      await Bun.sleep(2 * SAMPLED_MS);
      parent.go();
      await scene.closed();
      await expectOnly(scene, parent.pids()[1] ?? 0, large, parent);
    },
    TEST_MS,
  );
});

describeWith("kill=weight", kernelTest, () => {
  test(
    "takes the heaviest, however little it holds, and then the next",
    async () => {
      const prefer = ["--prefer", "cgroup=workers"];
      const scene = await Scene.set([...OFTEN, ...ordered("kill=weight"), ...prefer]);
      const workers = scene.group.child("workers");
      const plan = { means: "touch", beforeKb: share(0.1) } as const;
      const worker = await scene.board.start(workers, plan).ready();
      const leaker = await growing(scene, 1.5);
      await scene.sampled();
      leaker.go();
      await until("the leaker's end", () => !leaker.isAlive());
      await scene.closed();
      expect(scene.victims()).toEqual([worker.pid, leaker.pid]);
      expect(evidence(scene)[0]).toBe("weight");
      await scene.end();
    },
    TEST_MS,
  );
});
