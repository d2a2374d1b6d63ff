// SPDX-License-Identifier: MIT
/** The newest frame of a guard, for who watches it. */
import { expect, test } from "bun:test";
import type { Recorded } from "../../src/agent/history.ts";
import { Newest } from "../../src/agent/newest.ts";

const process = { comm: "x", uid: 5, start: 1, oom_score_adj: 0 };
const recorded = (t_us: number, bytes: number): Recorded => ({
  frames: [
    { t_us: t_us - 1e6, usage_bytes: 1, processes: [] },
    { t_us, usage_bytes: bytes, processes: [[7, bytes]] },
  ],
  processes: { "7": { ...process, file_bytes: 1, shmem_bytes: 2, swap_bytes: 3 } },
});

test("Newest is the last frame, by the wall clock, with who is in it", () => {
  const newest = new Newest(() => recorded(-250_000, 100));
  expect(newest.of("a", 10_000)).toEqual({
    t: 9750,
    usage_bytes: 100,
    processes: [
      { pid: 7, comm: "x", uid: 5, anon_bytes: 100, file_bytes: 1, shmem_bytes: 2, swap_bytes: 3 },
    ],
  });
  expect(new Newest(() => ({ frames: [], processes: {} })).of("a", 0)).toBeUndefined();
});

test("Newest asks a recorder seldom, and is the same as long as nothing is newer", () => {
  let asked = 0;
  let now = recorded(0, 1);
  const newest = new Newest(() => {
    asked += 1;
    return now;
  });
  const first = newest.of("a", 1000);
  expect(newest.of("a", 1400)).toBe(first);
  expect(asked).toBe(1);
  now = recorded(-600_400, 1); // the same look, as two clocks have it
  expect(newest.of("a", 1600)).toBe(first);
  expect(asked).toBe(2);
  now = recorded(-100, 2);
  expect(newest.of("a", 2200)?.usage_bytes).toBe(2);
  expect(newest.of("b", 2200)).not.toBeUndefined();
});
