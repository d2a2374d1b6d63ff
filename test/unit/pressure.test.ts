// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { parsePressure } from "../../src/cgroup/pressure.ts";

const WHOLE = `some avg10=1.25 avg60=0.50 avg300=0.10 total=123456
full avg10=0.75 avg60=0.25 avg300=0.05 total=65432
`;

test("pressure is what the kernel's file says of the last 10 s", () => {
  expect(parsePressure(WHOLE)).toEqual({ some_avg10: 1.25, full_avg10: 0.75 });
});

test.each(["", "some avg10=1.25 avg60=0.50\n", "full avg10=x \nsome avg10=1 \n"])(
  "what is no such file says nothing: %p",
  (text) => {
    expect(parsePressure(text)).toBeUndefined();
  },
);
