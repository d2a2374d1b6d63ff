// SPDX-License-Identifier: MIT
/** Who slept in a group's OOM, and for how long. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, Scene } from "../helpers/scene.ts";

const HELD_MS = 300;
const THREADS = 4;

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

describeWith("sleepers", kernelTest, () => {
  test("threads that sleep in the OOM are told, each with its time", async () => {
    const hook = new HookFile("exec sleep 10");
    const holding = ["--allow-hooks", "--order", `hook=${hook.path}`, "--hook-bound"];
    const scene = await Scene.set([...holding, `${HELD_MS}ms`, "--order", "kill", "--delay", "5s"]);
    const plan = { means: "threads", kb: LEAK_KB, parts: THREADS } as const;
    const leaker = await scene.board.start(scene.group, plan).ready();
    leaker.go();
    const closed = await scene.closed();
    expect(closed).toMatchObject({ outcome: "relieved", reason: "killed" });
    const slept = scene.steps("slept");
    expect(slept.length).toBeGreaterThan(0);
    expect(slept.length).toBeLessThanOrEqual(THREADS + 1);
    for (const one of slept) expect(one).toMatchObject({ comm: "workload", result: "ok" });
    const longest = Math.max(...slept.map(({ slept_us: us }) => Number(us)));
    expect(longest).toBeGreaterThan(HELD_MS * 500);
    await scene.end();
  });
});
