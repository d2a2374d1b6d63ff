// SPDX-License-Identifier: MIT
/** The owner of the switch is away in an incident: who goes on, and what is said of it. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { kill } from "../helpers/group.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { Scene } from "../helpers/scene.ts";

/** Longer than any absence below. */
const DELAY = ["--delay", "5s"];

afterEach(cleanUp);

describeWith("the owner of the switch", kernelTest, () => {
  for (const [signal, reason] of [
    ["SIGSTOP", "owner-silent"],
    ["SIGKILL", "owner-dead"],
  ] as const) {
    test(`is away by ${signal}: the other takes over, and says ${reason}`, async () => {
      const scene = await Scene.set(DELAY);
      kill(await scene.reprieve.helper("watchdog"), signal);
      const { leaker, closed } = await scene.leak();
      expect(closed.outcome).toBeOneOf(["relieved", "kernel-first"]);
      for (const victim of scene.victims()) expect(victim).toBe(leaker.pid);
      expect(takeOvers(scene)).toContain(reason);
      await scene.end();
    });
  }
});

/** Why the other watcher took the switch, inside an incident and outside. */
function takeOvers({ reprieve }: Scene): unknown[] {
  const inside = reprieve.messages.filter((m) => m.step === "took-over").map((m) => m.reason);
  const outside = reprieve.messages.filter((m) => m.event === "took-over").map((m) => m.result);
  return [...inside, ...outside];
}
