// SPDX-License-Identifier: MIT
/** The owner of the switch, or the handler, is away in an incident: who goes on, and what is said of it. */
import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { kill } from "../helpers/group.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

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

describeWith("the handler", [...kernelTest, program("strace", "apt-get install strace")], () => {
  test("is away behind its signal, until all is over: the kill is told as ours", async () => {
    const scene = await Scene.set(DELAY);
    const handler = await scene.reprieve.helper("handler");
    const inject = "inject=pidfd_send_signal,kill:delay_exit=500ms";
    const strace = Bun.spawn([
      "strace",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      inject,
      "-p",
      `${handler}`,
    ]);
    const isTraced = () =>
      !/^TracerPid:\s0$/m.test(readFileSync(`/proc/${handler}/status`, "utf8"));
    await until("strace", isTraced);
    const { leaker, closed } = await scene.leak();
    expect(closed).toMatchObject({ outcome: "relieved", reason: "killed" });
    const told = await scene.reprieve.message("incident.step", {
      where: ({ step }) => step === "kill",
    });
    expect(told.pid).toBe(leaker.pid);
    strace.kill();
    await strace.exited;
    await scene.end();
  });
});

/** Why the other watcher took the switch, inside an incident and outside. */
function takeOvers({ reprieve }: Scene): unknown[] {
  const inside = reprieve.messages.filter((m) => m.step === "took-over").map((m) => m.reason);
  const outside = reprieve.messages.filter((m) => m.event === "took-over").map((m) => m.result);
  return [...inside, ...outside];
}
