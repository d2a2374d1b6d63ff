// SPDX-License-Identifier: MIT
/** For how long a group is held, measured by test/fixtures/stopwatch.c before everybody else has a CPU. */
import { fixture } from "./build.ts";
import type { Group } from "./group.ts";
import { linesOf } from "./lines.ts";

interface Stopwatch {
  /** The longest time in ms, when it has ended by itself. */
  ended(): Promise<number>;
  /** The longest time in ms until now. */
  stop(): Promise<number>;
}

/** Returns when it looks; ends by itself so long after the first OOM, or after the bound. */
export async function stopwatch(
  groups: readonly Group[],
  boundMs: number,
  afterMs = boundMs,
): Promise<Stopwatch> {
  const args = [boundMs, afterMs].map(String);
  const proc = Bun.spawn([fixture("stopwatch"), ...args, ...groups.map((group) => group.path)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = linesOf(proc.stdout);
  const next = async () => String((await lines.next()).value);
  if ((await next()) !== "looking") throw new Error("The stopwatch does not start");
  const ended = async () => Number(await next());
  return {
    ended,
    stop() {
      proc.stdin.end();
      return ended();
    },
  };
}
