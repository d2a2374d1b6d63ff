// SPDX-License-Identifier: MIT
/** The order "hand-over": the kernel decides when the orders before it have had their bounds, not when the delay is over. */
import { afterEach, expect, test } from "bun:test";
import { limit, order, order_bound_ms } from "../../src/native/layout.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, leakIn, ordered, words } from "../helpers/orders.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, NEAR_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const TEST_MS = 60_000;
/** By far more than an order's bound, on a busy machine too. */
const DELAY_MS = 20_000;
const LONG = ["--delay", `${DELAY_MS}ms`];
/** Time to be held, where anybody would. */
const CALM_MS = 1000;

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

describeWith("the order hand-over", kernelTest, () => {
  test(
    "comes when the one before has had its bound: the kernel kills, long before the delay is over",
    async () => {
      const idle = new HookFile("exit 0");
      const args = [...LONG, "--allow-hooks", ...ordered(`hook=${idle.path}`, "hand-over")];
      const scene = await Scene.set(args);
      const leaker = await leakIn(scene, scene.group, LEAK_KB);
      await until("the kernel's kill", () => !leaker.isAlive(), FINISH_MS);
      const closed = await scene.reprieve.message("incident.closed", { boundMs: FINISH_MS });
      expect(words(closed)).toBe("handed-over ordered");
      scene.expectKernelKilled(closed, leaker.pid);
      expect(scene.victims()).toEqual([]);
      expect(scene.steps("gave-up").map(({ reason }) => reason)).toEqual(["ordered"]);
      const [handed] = scene.steps("handed-over");
      const patience = memory.version === 1 ? 1 : limit.V2_PATIENCE;
      const handedMs = Number(handed?.at_us) / 1000;
      expect(handedMs).toBeGreaterThanOrEqual((order_bound_ms[order.HOOK] ?? 0) * patience);
      expect(handedMs).toBeLessThan(DELAY_MS / 2);
      // Our handler has asked for it: it is not killed as one that hangs.
      expect(scene.steps("handler-killed")).toEqual([]);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is not come to where the one before brings relief",
    async () => {
      const scene = await Scene.set([...LONG, ...ordered("kill", "hand-over")]);
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved killed");
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(scene.group.oom().kills).toBe(0);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "alone leaves the group to the kernel at the event: it is never held",
    async () => {
      const group = new Group("kernels", { limit: LIMIT });
      const args = ["run", "--cgroup", group.path, "--json", "--listen", "none", ...LONG];
      const reprieve = Reprieve.start([...args, ...ordered("hand-over")]);
      await reprieve.armed(1);
      const scene = await Scene.around(new Group("unused", { limit: LIMIT }));
      const leaker = await scene.board
        .start(group, { means: "touch", beforeKb: NEAR_KB, kb: LEAK_KB })
        .ready();
      await Bun.sleep(CALM_MS);
      expect(group.oom().held).toBe(false);
      leaker.go();
      await until("the kernel's kill", () => !leaker.isAlive(), FINISH_MS);
      const closed = await reprieve.message("incident.closed", { boundMs: FINISH_MS });
      expect(words(closed)).toBe("handed-over ordered");
      expect(group.oom().kills).toBe(1);
      expect(await reprieve.stop()).toBe(0);
      await group.destroy();
      await scene.end();
    },
    TEST_MS,
  );
});
