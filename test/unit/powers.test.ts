// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { arePicky, byFlags, type PowerFlags } from "../../src/cli/powers.ts";

describe("byFlags()", () => {
  test.each([
    [{}, undefined],
    [{ allowLimits: true }, undefined],
    [{ allowKill: true }, "--allow"],
    [{ allowKill: ["/a"] }, "--allow"],
    [{ allowKill: ["/b", "/*"] }, "--allow"],
    [{ allowKill: ["/a/*"] }, undefined],
    [{ allowKill: [] }, undefined],
    [{ denyKill: true }, "--deny"],
    [{ allowKill: true, denyKill: ["/a"] }, "--deny"],
    [{ allowKill: true, denyKill: ["/b"] }, "--allow"],
    [{ allowKill: true, denyHooks: true }, "--allow"],
  ] as const)("%p: /a is killed in by %p", (flags: PowerFlags, keeper) => {
    expect(byFlags(flags)("kill", "/a")).toBe(keeper);
  });
});

test.each([
  [{}, false],
  [{ allowKill: true }, false],
  [{ allowHooks: ["/bin/*"] }, false],
  [{ allowKill: ["/a"] }, true],
  [{ denyHooks: ["/bin/*"] }, true],
  [{ denyMove: true }, true],
] as const)("arePicky(%p): %p", (flags: PowerFlags, isPicky) => {
  expect(arePicky(flags)).toBe(isPicky);
});
