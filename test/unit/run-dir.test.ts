// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { runBases } from "../../src/agent/run-dir.ts";

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
