// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { getPriority } from "node:os";
import { politely } from "../../src/agent/courtesy.ts";

test("politely() does its work at a lower priority, and what is started afterwards has the former one", () => {
  const before = getPriority();
  const isRoot = process.getuid?.() === 0; // else nobody could come back
  expect(politely(() => getPriority())).toBe(isRoot ? Math.min(before + 10, 19) : before);
  expect(() =>
    politely(() => {
      throw new Error("the work's own");
    }),
  ).toThrow("the work's own");
  expect(getPriority()).toBe(before);
  expect(Bun.spawnSync(["nice"]).stdout.toString().trim()).toBe(String(before));
});
