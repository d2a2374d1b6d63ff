// SPDX-License-Identifier: MIT
/** Two guards, one group inside the other, and what a helper finds that starts again. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { sampled } from "../helpers/region.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, renaming } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const CHILD_LIMIT = 24 * MB;

afterEach(cleanUp);

/**
 * The child holds `hogKb`, the parent a small neighbour, both near their limits before anybody guards them. On v2 a
 * group that hands memory down has no processes of its own, the parent's are in another child; and a margin is where
 * the hold begins.
 */
async function nest(order: "child first" | "parent first", hogKb: number) {
  const parent = new Group("nest", { limit: LIMIT });
  const child = parent.child("child", CHILD_LIMIT);
  const beside = memory.version === 1 ? parent : parent.child("beside");
  const board = new Board();
  const hog = await board.start(child, { means: "touch", beforeKb: hogKb, kb: LEAK_KB }).ready();
  const small = { means: "touch", beforeKb: 3072 } as const;
  const neighbour = await board.start(beside, small).ready();
  const paths = [child.path, parent.path];
  if (order === "parent first") paths.reverse();
  const margin = memory.armsLate ? ["--margin", "23M"] : [];
  const reprieve = await Reprieve.guard(paths, [...OFTEN, ...margin]);
  await sampled(reprieve, paths.length);
  const end = async () => {
    expect(neighbour.isAlive()).toBe(true);
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
    await parent.destroy();
    board.close();
  };
  return { beside, child, board, reprieve, hog, end };
}

/** The victims, by the guard that killed them. */
function victims(reprieve: Reprieve): [string, number][] {
  return reprieve.messages
    .filter((m) => m.type === "incident.step" && m.step === "kill")
    .map((m) => [String(m.guard).endsWith("/child") ? "child" : "parent", Number(m.pid)]);
}

describeWith("nested guards", kernelTest, () => {
  for (const order of ["child first", "parent first"] as const) {
    test(`the child's OOM is the child's, ${order}`, async () => {
      const { reprieve, hog, end } = await nest(order, 8 * 1024);
      hog.go();
      await until("its death", () => !hog.isAlive());
      await reprieve.message("incident.closed");
      expect(victims(reprieve)).toEqual([["child", hog.pid]]);
      await end();
    });

    test(`the parent's OOM finds who holds its memory in the child, ${order}`, async () => {
      const { beside, board, reprieve, hog, end } = await nest(order, 20 * 1024);
      const crowd = { means: "fork", kb: LEAK_KB / 2, parts: 8 } as const;
      const many = await board.start(beside, crowd).ready();
      many.go();
      await until("a death", () => !hog.isAlive() || many.living().length < many.pids().length);
      await reprieve.message("incident.closed");
      expect(victims(reprieve)).toEqual([["parent", hog.pid]]);
      await end();
    });
  }

  test("a child that stands at its own limit is no part of its parent's OOM", async () => {
    const { beside, child, board, reprieve, hog, end } = await nest("parent first", 20 * 1024);
    child.setLimit(child.usage() + 64 * 1024);
    const leaker = await board.start(beside, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("a death", () => !leaker.isAlive() || !hog.isAlive());
    await reprieve.message("incident.closed");
    expect(victims(reprieve)).toEqual([["parent", leaker.pid]]);
    expect(hog.isAlive()).toBe(true);
    const opened = reprieve.messages.filter((m) => m.type === "incident.opened");
    expect(opened.map((m) => String(m.guard).endsWith("/child"))).toEqual([false]);
    await end();
  });

  renaming("a group that was renamed is found by a helper that starts again", async () => {
    const scene = await Scene.set();
    scene.group.rename(`${scene.group.path}-anew`);
    for (const role of ["spare", "watchdog", "handler"] as const) {
      const old = await scene.reprieve.helper(role);
      kill(old, "SIGKILL");
      const isAnother = (now?: number) => now !== undefined && now !== old;
      await until(`another ${role}`, () => isAnother(scene.reprieve.helpers().get(role)));
      await Bun.sleep(200); // it has to attach the guard again
    }
    const { leaker, closed } = await scene.leak();
    expect(closed.outcome).toBe("relieved");
    expect(scene.victims()).toEqual([leaker.pid]);
    await scene.end();
  });

  test("a helper that was stopped does not outlive the others", async () => {
    for (const role of ["handler", "watchdog", "spare"] as const) {
      const scene = await Scene.set();
      kill(await scene.reprieve.helper(role), "SIGSTOP");
      kill(scene.reprieve.pid, "SIGKILL");
      await scene.reprieve.ended();
      await scene.expectAsBefore();
    }
  });
});
