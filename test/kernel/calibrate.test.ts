// SPDX-License-Identifier: MIT
/** Where a group's OOM sleeps on this kernel is seen live, and nothing of that is left. */
import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { seeSleep } from "../../src/agent/calibrate.ts";
import { openCore } from "../../src/native/core.ts";
import { cleanUp } from "../helpers/clean.ts";
import { memoryRoot } from "../helpers/paths.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";

const core = new URL("../../dist/build/core", import.meta.url).pathname;
const GROUP = `${memoryRoot}/reprieve-kernel-${process.pid}-calibrate`;

afterEach(cleanUp);

describeWith("calibrate", kernelTest, () => {
  test("the function in which a task sleeps at the limit", async () => {
    const recorded: string[] = [];
    const symbol = await seeSleep(
      openCore(),
      { path: core, from: "installed file" },
      GROUP,
      (group) => recorded.push(group),
    );
    expect(symbol).toBe("mem_cgroup_oom_synchronize"); // Linux 3.12 to 6.18
    expect(recorded).toEqual([GROUP]);
    expect(existsSync(GROUP)).toBe(false);
  });
});
