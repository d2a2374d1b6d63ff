// SPDX-License-Identifier: MIT
/** The switch in other hands: who else writes it is respected or put right, and told. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { kill } from "../helpers/group.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { LEAK_KB, NEAR_KB, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const TRIES = 5;

afterEach(cleanUp);

/** A message of the guard with that event. */
function told(scene: Scene, event: string, from = 0) {
  return scene.reprieve.message("guard", { from, where: (m) => m.event === event });
}

async function near(scene: Scene) {
  const plan = { means: "touch", beforeKb: NEAR_KB } as const;
  const filler = await scene.board.start(scene.group, plan).ready();
  await until("the killer to be off", () => scene.group.oom().held);
  return filler;
}

const killer = onlyOnV1("v2 has no switch for the kernel's killer");

describeWith("switch", kernelTest, () => {
  killer(
    "switched on by somebody else near the limit: left so until the limit is far",
    async () => {
      const scene = await Scene.set();
      const { group } = scene;
      await until("the killer to be on", () => !group.oom().held);
      const filler = await near(scene);
      const from = scene.reprieve.messages.length;
      group.letGo();
      await told(scene, "disarmed-by-other", from);
      const { closed } = await scene.leak();
      expect(closed.outcome).toBe("kernel-first");
      expect(group.oom().held).toBe(false);
      await filler.stop();
      await Bun.sleep(1500); // FAR_AFTER_MS of native/limits.h, and a sample
      await near(scene);
      await scene.end();
    },
  );

  killer("switched on by somebody else at the OOM: the outcome says so", async () => {
    for (let i = 0; i < TRIES; i += 1) {
      const scene = await Scene.set(["--delay", "5s"]);
      const { group, reprieve } = scene;
      kill(await reprieve.helper("handler"), "SIGSTOP"); // else it is relieved before we can write
      const leaker = await scene.board.start(group, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      while (!group.oom().waiting) Bun.sleepSync(0.2);
      group.letGo();
      await until("its death", () => !leaker.isAlive());
      const closed = await scene.closed().catch(() => undefined);
      await scene.end();
      // The machine was busy for 25 ms: no incident yet when we wrote, or "handler-unseen" before that.
      if (closed === undefined) continue;
      const { outcome, reason } = closed;
      if (outcome === "handed-over" && reason === "handler-unseen") continue;
      expect({ outcome, reason }).toEqual({ outcome: "owner-overrode", reason: "switch-written" });
      return;
    }
    throw new Error(`Not once in ${TRIES} tries was the switch ours to write`);
  });

  killer("switched off by somebody else far from the limit: on again", async () => {
    const scene = await Scene.set();
    const { group } = scene;
    await until("the killer to be on", () => !group.oom().held);
    group.hold();
    await told(scene, "mended");
    expect(group.oom().held).toBe(false);
    await scene.end();
  });

  killer("a child's killer that its owner switched off stays off", async () => {
    const scene = await Scene.set(OFTEN);
    const { group, reprieve } = scene;
    const child = group.child("owner");
    await until("the killer to be on", () => !group.oom().held);
    await scene.sampled(); // the child is found
    child.hold();
    const from = reprieve.messages.length;
    const filler = await near(scene); // the watchers walk the tree now
    await told(scene, "child-left", from);
    await filler.stop();
    await until("the killer to be on", () => !group.oom().held);
    expect(child.oom().held).toBe(true);
    await scene.end();
  });

  test("a delay of 0 is the kernel's at once, and never held", async () => {
    const scene = await Scene.set(["--delay", "0"]);
    const filler = await scene.board
      .start(scene.group, { means: "touch", beforeKb: NEAR_KB / 2 })
      .ready();
    const { closed } = await scene.leak();
    expect(closed).toMatchObject({ outcome: "handed-over", reason: "deadline" });
    expect(scene.group.oom().kills).toBe(1);
    expect(scene.victims()).toEqual([]);
    await filler.stop();
    await scene.end();
  });
});
