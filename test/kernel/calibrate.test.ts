// SPDX-License-Identifier: MIT
/** Where a group's OOM sleeps on this kernel is seen live, and nothing of that is left. */
import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { seeSleep } from "../../src/agent/calibrate.ts";
import { requireMemory } from "../../src/cgroup/hierarchy.ts";
import { kindOf } from "../../src/cgroup/kind.ts";
import { cleanUp } from "../helpers/clean.ts";
import { doorFolder } from "../helpers/door.ts";
import { kill } from "../helpers/group.ts";
import { memoryRoot } from "../helpers/paths.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { Scene } from "../helpers/scene.ts";

const core = new URL("../../dist/build/core", import.meta.url).pathname;
const GROUP = `${memoryRoot}/reprieve-kernel-${process.pid}-calibrate`;

afterEach(cleanUp);

describeWith("calibrate", kernelTest, () => {
  test("the function in which a task sleeps at the limit", async () => {
    const kind = kindOf(requireMemory());
    const symbol = await seeSleep(kind, { path: core, from: "installed file" }, GROUP);
    // On v1 from Linux 3.12 to 6.18, on v2 with underscores since 6.7 or so.
    const known = { v1: /^mem_cgroup_oom_synchronize$/, v2: /^(__)?mem_cgroup_handle_over_high$/ };
    expect(symbol).toMatch(known[kind.name]);
    expect(existsSync(GROUP)).toBe(false);
  });

  test("an agent that is killed in the middle of it leaves no group behind", async () => {
    for (let afterMs = 0; afterMs < 60; afterMs += 10) {
      const folder = doorFolder();
      const socket = ["--handler", "designated", "--handler-socket", `${folder}/s`];
      const scene = await Scene.set(socket);
      await Bun.sleep(afterMs);
      kill(scene.reprieve.pid, "SIGKILL");
      await scene.reprieve.ended();
      await scene.expectAsBefore();
    }
  }, 30_000);
});
