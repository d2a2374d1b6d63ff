// SPDX-License-Identifier: MIT
/** One of ours is away in the middle of an incident: who goes on, and that nobody dies of it. */
import { afterEach, expect, test } from "bun:test";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill } from "../helpers/group.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { isStopped } from "../helpers/workload.ts";

/** Longer than any absence below. */
const DELAY = ["--delay", "5s"];
/** native/limits.h: VICTIM_BOUND_MS is four times as long on v2, and this is longer. */
const AWAY_MS = 1000;
/** After a kill by its rule the kernel has HANDED_OVER_BOUND_MS, the double of this. */
const IN_PEACE_MS = 500;
/** Enough to be worth a kill, and less than the leaker has. */
const SMALL_KB = 4096;

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

  onlyOnV2("on v1 the kernel kills after a hand-over")(
    "is killed behind its kill by the kernel's rule: the other takes over, and kills nobody more at once",
    async () => {
      const group = new Group("owners");
      group.write("memory.high", String(LIMIT)); // its owner's: never lifted
      const scene = await Scene.around(group);
      const { board, reprieve } = scene;
      const small = await board.start(group, { means: "touch", beforeKb: SMALL_KB }).ready();
      const wrapper = ["sh", "-c", 'echo 1000 > /proc/self/oom_score_adj && exec "$@"', "sh"];
      const holder = await board.start(group, { means: "file", kb: LEAK_KB }, wrapper).ready();
      kill(await reprieve.helper("handler"), "SIGSTOP");
      const watchdog = await reprieve.helper("watchdog");
      holder.go();
      await until("the holder's death", () => !holder.isAlive());
      kill(watchdog, "SIGKILL");
      expect(group.oom().waiting).toBe(true); // its file is still there
      await Bun.sleep(IN_PEACE_MS);
      expect(small.isAlive()).toBe(true);
      board.dropHeld();
      const closed = await scene.closed();
      expect(closed.outcome).toBe("handed-over");
      expect(scene.victims()).toEqual([holder.pid]);
      expect(takeOvers(scene)).toContain("owner-dead");
      expect(await reprieve.stop()).toBe(0);
      await scene.strike();
    },
  );
});

describeWith("the handler", kernelTest, () => {
  test("is stopped while its victim dies: that time does not count against the victim", async () => {
    const scene = await Scene.set(DELAY);
    const { board, group, reprieve } = scene;
    const neighbour = await scene.neighbour(SMALL_KB);
    const handler = await reprieve.helper("handler");
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    const tracer = Bun.spawn([fixture("tracer"), String(leaker.pid), String(handler)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await tracer.stdout.getReader().read(); // it has hold of it
    leaker.go();
    await until("the handler to be stopped", () => isStopped(handler));
    await Bun.sleep(AWAY_MS);
    expect(group.oom().waiting).toBe(true);
    kill(handler, "SIGCONT");
    await until("room", () => !group.oom().waiting); // its reaper helps
    kill(tracer.pid, "SIGKILL");
    await tracer.exited;
    const closed = await scene.closed();
    expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(neighbour.isAlive()).toBe(true);
    await scene.end();
  });
});

/** Why the other watcher took the switch, inside an incident and outside. */
function takeOvers({ reprieve }: Scene): unknown[] {
  const inside = reprieve.messages.filter((m) => m.step === "took-over").map((m) => m.reason);
  const outside = reprieve.messages.filter((m) => m.event === "took-over").map((m) => m.result);
  return [...inside, ...outside];
}
