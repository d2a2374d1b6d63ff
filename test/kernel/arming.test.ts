// SPDX-License-Identifier: MIT
/**
 * Late arming: the kernel's killer is off only near the limit, and a burst that is faster is told
 * as such.
 */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const LIMIT_KB = LIMIT / 1024;
const BURSTS = 6;
const BOUND_MS = 20_000; // each burst waits for the killer to be on again, about a second

afterEach(cleanUp);

const lateArming = onlyOnV1(
  "on v2 a group is held from arming on, far from its limit nobody sleeps",
);

describeWith("arming", kernelTest, () => {
  // It is off for a second after arming, too: from "armed" on no burst is missed.
  lateArming(
    "the killer is on far from the limit, off near it, and on again when far",
    async () => {
      const scene = await Scene.set();
      const { board, group } = scene;
      await until("the killer to be on", () => !group.oom().held);
      await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.5 }).ready();
      await Bun.sleep(50);
      expect(group.oom().held).toBe(false);
      const more = await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.4 }).ready();
      await until("the killer to be off", () => group.oom().held);
      await more.stop();
      await until("the killer to be on", () => !group.oom().held);
      await scene.end();
    },
  );

  lateArming("a child made near the limit does not keep a switched-off killer", async () => {
    const scene = await Scene.set();
    const { board, group } = scene;
    const filler = await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.9 }).ready();
    await until("the killer to be off", () => group.oom().held);
    const child = group.child("born-near");
    await filler.stop();
    await until("the killer to be on", () => !group.oom().held);
    await until("the child's too", () => !child.oom().held);
    await scene.end();
  });

  test(
    "an outcome says kernel-first exactly when the kernel killed",
    async () => {
      const scene = await Scene.set(["--margin", "4K"]); // so thin that bursts outrun it
      let outrun = 0;
      for (let i = 0; i < BURSTS; i += 1) {
        const from = scene.reprieve.messages.length;
        await scene.quiet();
        const before = scene.group.oom().kills;
        const leaker = await scene.board.start(scene.group, { means: "huge", kb: LEAK_KB }).ready();
        leaker.go();
        await until("its death", () => !leaker.isAlive());
        const closed = await scene.closed(from);
        const byKernel = scene.group.oom().kills > before;
        if (byKernel) outrun += 1;
        expect(closed.outcome).toBe(byKernel ? "kernel-first" : "relieved");
        if (byKernel) scene.expectKernelKilled(closed, leaker.pid);
        else expect(closed.kernel_killed).toBeUndefined();
        scene.board.clear();
      }
      console.log(`${outrun} of ${BURSTS} bursts outran a margin of 4 KB`);
      await scene.end();
    },
    BOUND_MS,
  );
});
