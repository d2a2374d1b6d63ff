// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { BackOff } from "../../src/agent/back-off.ts";

describe("BackOff", () => {
  test("waits longer each time, up to a bound", () => {
    const backOff = new BackOff();
    const waits = Array.from({ length: 8 }, () => backOff.next(10));
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  test("forgives what lived for long", () => {
    const backOff = new BackOff();
    backOff.next(10);
    backOff.next(10);
    expect(backOff.next(60_001)).toBe(100);
    expect(backOff.next(10)).toBe(200);
  });
});
