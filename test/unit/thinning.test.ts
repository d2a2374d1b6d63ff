// SPDX-License-Identifier: MIT
/** Of an hour of frames so few that an answer can have them. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Measured, thinned } from "../../src/agent/thinning.ts";

const HOUR = [0, 3_600_000_000] as const;
const at = (t_us: number, usage_bytes: number, pairs = 1): Measured => ({
  t_us,
  usage_bytes,
  pairs,
});

test("few frames stay as they are", () => {
  const frames = [at(-5, 3), at(0, 1), at(10_000_000, 2), at(20_000_000, 1)];
  expect(thinned(frames, HOUR)).toEqual(frames);
  expect(thinned([], HOUR)).toEqual([]);
});

test("of an hour of 500 processes so many are left that there is a point a minute; a peak of one frame is there", () => {
  const frames = Array.from({ length: 3600 }, (_, s) => at(s * 1e6, s === 1234 ? 99 : 5, 500));
  const left = thinned(frames, HOUR);
  expect(left.length).toBeGreaterThanOrEqual(60);
  expect(left.length * 500).toBeLessThanOrEqual(45_500);
  expect(left).toContainEqual(frames[1234] as Measured);
  expect(left.at(-1)).toEqual(frames.at(-1) as Measured);
});

test("whatever the frames: in order, within the bound, with the highest and the newest", () => {
  const aFrame = fc.record({
    t_us: fc.integer({ min: -1e6, max: HOUR[1] }),
    usage_bytes: fc.nat(100),
    pairs: fc.nat(300),
  });
  fc.assert(
    fc.property(
      fc.array(aFrame, { minLength: 1 }),
      fc.integer({ min: 400, max: 5000 }),
      (all, most) => {
        const frames = all.toSorted((a, b) => a.t_us - b.t_us);
        const left = thinned(frames, HOUR, most);
        expect(left).toEqual(frames.filter((frame) => left.includes(frame)));
        const pairs = left.reduce((sum, one) => sum + one.pairs, 0);
        expect(pairs).toBeLessThanOrEqual(most + 300); // the newest is told beside them
        expect(Math.max(...left.map((one) => one.usage_bytes))).toBe(
          Math.max(...frames.map((one) => one.usage_bytes)),
        );
        expect(left.at(-1)).toBe(frames.at(-1) as Measured);
      },
    ),
  );
});
