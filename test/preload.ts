// SPDX-License-Identifier: MIT
/** Loaded before the first test of each run (bunfig.toml): when all have ended nothing of theirs may be left on this host. */
import { afterAll } from "bun:test";
import { leftBy } from "./helpers/left.ts";

afterAll(() => {
  const left = leftBy((pid) => pid === process.pid);
  if (left.length > 0) throw new Error(`these tests have left behind ${left.join(", ")}`);
});
