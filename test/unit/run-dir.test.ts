// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { RunDir, runBases } from "../../src/agent/run-dir.ts";

describe("runBases()", () => {
  test("takes /run for root, and shared memory where that is read-only", () => {
    expect(runBases(0, "/run/user/0")).toEqual(["/run/reprieve", "/dev/shm/reprieve"]);
  });

  test("takes a user's runtime directory first", () => {
    expect(runBases(7, "/run/user/7")).toEqual(["/run/user/7/reprieve", "/dev/shm/reprieve-7"]);
  });

  test("does without one, and without one that is relative", () => {
    expect(runBases(7, undefined)).toEqual(["/dev/shm/reprieve-7"]);
    expect(runBases(7, "run")).toEqual(["/dev/shm/reprieve-7"]);
  });
});

describe("a run directory", () => {
  /** One of them in a hundred is met in the middle. */
  const ROUNDS = 1000;
  const FILES = ["token", "address", "config"] as const;

  test("is removed, also where others remove what is in it at the same moment", async () => {
    const [base] = runBases();
    const others = Bun.spawn(["sh", "-c", `while :; do rm -f ${base}/${process.pid}/*; done`]);
    const left: string[] = [];
    for (let i = 0; i < ROUNDS; i += 1) {
      const undo = new AsyncDisposableStack();
      const dir = new RunDir(undo);
      dir.make();
      for (const name of FILES) dir.write(name, "x");
      await undo.disposeAsync();
      if (existsSync(dir.path)) left.push(dir.path);
    }
    others.kill("SIGKILL");
    await others.exited;
    expect(left).toEqual([]);
  }, 60_000);
});
