// SPDX-License-Identifier: MIT
/** cgroup v2 only: what follows a hand-over. The kernel's kill, or ours by its rule, and nobody else's. */
import { afterEach, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { ordered } from "../helpers/orders.ts";
import type { Message } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Workload } from "../helpers/workload.ts";

const MARGIN = LIMIT / 4;
const HIGH = memory.limitFor(LIMIT) - MARGIN;
const TEST_MS = 60_000;
/** So many frees less than what is no relief: native/limits.h, RECLAIMABLE_IS_NONE_BYTES. */
const SMALL_KB = 64;
/** native/limits.h: HANDED_OVER_BOUND_MS, between two kills by the kernel's rule. */
const RULE_MS = 1000;
/** native/limits.h: SLEPT_OUT_MS, and then the kernel's kill. */
const KERNEL_MS = 5000;

afterEach(cleanUp);

const v2 = onlyOnV2("v1 has memory.oom_control");

const options = (delayMs: number) => ["--margin", String(MARGIN), "--delay", `${delayMs}ms`];

/** A guard with a mark of its owner's, and no limit. */
async function ownersMark(...more: string[]): Promise<{ scene: Scene; group: Group }> {
  const group = new Group("owners");
  group.write("memory.high", String(HIGH));
  return { scene: await Scene.around(group, [...options(300), ...more]), group };
}

async function started({ board, group }: Scene, beforeKb: number, adj = 0): Promise<Workload> {
  const workload = await board.start(group, { means: "touch", beforeKb, kb: LEAK_KB }).ready();
  writeFileSync(`/proc/${workload.pid}/oom_score_adj`, String(adj));
  return workload;
}

/** Returns when the incident has been handed over, for the handler does not move. */
async function handOver(scene: Scene, leaker: Workload): Promise<void> {
  kill(await scene.reprieve.helper("handler"), "SIGSTOP");
  leaker.go();
  await step(scene, "handed-over");
}

function step({ reprieve }: Scene, step: string): Promise<Message> {
  return reprieve.message("incident.step", { where: (m) => m.step === step });
}

describeWith("handed over under the owner's memory.high", kernelTest, () => {
  /** Two small ones whom the kernel's rule prefers to the leaker, who is the handler's choice. */
  async function rule() {
    const { scene, group } = await ownersMark();
    const first = await started(scene, SMALL_KB, 1000);
    const second = await started(scene, SMALL_KB, 900);
    const leaker = await started(scene, 0, -500);
    return { scene, group, leaker, chosen: [first.pid, second.pid, leaker.pid] };
  }

  async function ends({ scene, leaker, chosen }: Awaited<ReturnType<typeof rule>>): Promise<void> {
    await until("the leaker's death", () => !leaker.isAlive(), 4 * RULE_MS);
    const { outcome } = await scene.closed();
    expect(outcome).toBe("handed-over");
    const kills = scene.steps("kill");
    expect(kills.map(({ pid }) => pid)).toEqual(chosen);
    expect(kills.map(({ by }) => by)).not.toContain("handler");
    const times = kills.map(({ at_us }) => Number(at_us) / 1000);
    for (const [i, ms] of times.slice(1).entries())
      expect(ms - (times[i] ?? 0)).toBeGreaterThan(RULE_MS - 5); // told a moment after it was measured;
    expect(await scene.reprieve.stop()).toBe(0);
    expect(scene.group.read("memory.high")).toBe(String(HIGH));
    await scene.strike();
  }

  v2(
    "it is never lifted: the kill is ours, by the kernel's rule",
    async () => {
      const { scene, group } = await ownersMark();
      const small = await started(scene, 4096);
      const leaker = await started(scene, 0);
      await handOver(scene, leaker);
      await until("the leaker's death", () => !leaker.isAlive());
      expect((await scene.closed()).outcome).toBe("handed-over");
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(small.isAlive()).toBe(true);
      expect(group.read("memory.high")).toBe(String(HIGH));
      expect(await scene.reprieve.stop()).toBe(0);
      expect(group.read("memory.high")).toBe(String(HIGH));
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "where no order kills, and killing is allowed, too",
    async () => {
      const { scene } = await ownersMark("--allow-limits", ...ordered("raise=1M"));
      expect(scene.reprieve.err).not.toContain("--allow-kill is for nothing");
      const leaker = await started(scene, 0);
      leaker.go();
      await until("the leaker's death", () => !leaker.isAlive());
      expect((await scene.closed()).outcome).toBe("handed-over");
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "who is at -1000 is spared",
    async () => {
      const { scene } = await ownersMark();
      const immune = await started(scene, 2048, -1000);
      const leaker = await started(scene, 0);
      await handOver(scene, leaker);
      await until("the leaker's death", () => !leaker.isAlive());
      await until("word of it", () => scene.victims().length > 0);
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(immune.isAlive()).toBe(true);
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  v2(
    "it goes on until there is room, and a handler that is started anew kills nobody",
    async () => {
      const ruled = await rule();
      const { reprieve } = ruled.scene;
      const handler = await reprieve.helper("handler");
      await handOver(ruled.scene, ruled.leaker);
      // The hand-over has killed it: the agent starts another.
      await until(
        "another handler",
        () => ![undefined, handler].includes(reprieve.helpers().get("handler")),
      );
      await ends(ruled);
    },
    TEST_MS,
  );

  for (const [signal, reason] of [
    ["SIGSTOP", "owner-silent"],
    ["SIGKILL", "owner-dead"],
  ] as const) {
    v2(
      `its rule is gone on with where the owner of the switch is away by ${signal}`,
      async () => {
        const ruled = await rule();
        await handOver(ruled.scene, ruled.leaker);
        await step(ruled.scene, "kill");
        kill(await ruled.scene.reprieve.helper("watchdog"), signal);
        await ends(ruled);
        expect((await step(ruled.scene, "took-over")).reason).toBe(reason);
      },
      TEST_MS,
    );
  }
});

describeWith("handed over on v2", kernelTest, () => {
  async function handedOver(prepare: (group: Group) => void = () => {}, args: string[] = []) {
    const group = new Group("handed", { limit: LIMIT });
    prepare(group);
    const scene = await Scene.around(group, [...options(200), ...args]);
    const small = await started(scene, 4096);
    const leaker = await started(scene, 0);
    return { scene, group, small, leaker };
  }

  /** The kernel has killed the leaker, and nobody else. */
  async function ends({ scene, group, small, leaker }: Awaited<ReturnType<typeof handedOver>>) {
    await until("the leaker's death", () => !leaker.isAlive(), KERNEL_MS);
    const closed = await scene.closed();
    expect(closed.outcome).toBe("handed-over");
    scene.expectKernelKilled(closed, leaker.pid);
    expect(scene.victims()).toEqual([]);
    expect(group.oom().kills).toBe(1);
    expect(small.isAlive()).toBe(true);
    await until("memory.high to be ours", () => group.read("memory.high") === String(HIGH));
    await scene.end();
  }

  v2(
    "the kernel kills whom it would have, and nobody else",
    async () => {
      const handed = await handedOver();
      await handOver(handed.scene, handed.leaker);
      await ends(handed);
    },
    TEST_MS,
  );

  v2(
    "with memory.oom.group it takes all",
    async () => {
      const { scene, small, leaker } = await handedOver((g) => g.write("memory.oom.group", "1"));
      await handOver(scene, leaker);
      await until("all dead", () => !small.isAlive(), KERNEL_MS);
      expect((await scene.closed()).outcome).toBe("handed-over");
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  for (const signal of ["SIGSTOP", "SIGKILL"] as const) {
    v2(
      `and the owner of the switch is away by ${signal}: the same`,
      async () => {
        const handed = await handedOver();
        await handOver(handed.scene, handed.leaker);
        kill(await handed.scene.reprieve.helper("watchdog"), signal);
        await ends(handed);
      },
      TEST_MS,
    );
  }

  v2(
    "an order that was asked for before is carried out no more",
    async () => {
      const handed = await handedOver(() => {}, ordered("kill-group=all"));
      const { scene, leaker } = handed;
      const spare = await scene.reprieve.helper("spare"); // who carries it out
      kill(spare, "SIGSTOP");
      leaker.go();
      await step(scene, "handed-over");
      kill(spare, "SIGCONT");
      await ends(handed);
      expect(scene.steps("kill-group")).toEqual([]);
    },
    TEST_MS,
  );
});
