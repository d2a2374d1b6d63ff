// SPDX-License-Identifier: MIT
/** The standing order "raise": bounded, and given back by whoever is left. */
import { afterEach, expect, test } from "bun:test";
import { constants as os } from "node:os";
import { exit } from "../../src/errors.ts";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, finished, KB, leakIn, limitIs, ordered, words } from "../helpers/orders.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board, type Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
/** More than the limit, less than that raised by RAISE. */
const LITTLE_MORE_KB = (LIMIT + 4 * MB) / KB;
const RAISE = 16 * MB;

afterEach(cleanUp);

/** A scene whose limit is raised by RAISE, and needed by who is returned. */
async function raised(...more: readonly string[]) {
  const scene = await Scene.set(["--allow-limits", ...ordered(`raise=${RAISE}`), ...more]);
  const leaker = await leakIn(scene, scene.group, LITTLE_MORE_KB);
  const closed = await scene.closed();
  expect(words(closed)).toBe("relieved raised");
  await finished(leaker);
  expect(scene.group.limit()).toBe(LIMIT + RAISE);
  return { scene, leaker };
}

/** `release` gives a raise back as soon as there is room. */
async function expectReleased(scene: Scene, leaker: Workload): Promise<void> {
  await leaker.stop();
  const { out } = await Reprieve.ends(["release"]);
  expect(out).toContain(`${scene.group.path}: its limit is as it was`);
  await scene.expectAsBefore();
}

describeWith("the order raise", kernelTest, () => {
  test(
    "relieves, and is given back when the group has room again",
    async () => {
      const { scene, leaker } = await raised(...ordered("kill"));
      expect(scene.victims()).toEqual([]);
      expect(Number(scene.steps("raise")[0]?.bytes)).toBe(RAISE);
      expect(leaker.isAlive()).toBe(true);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.reprieve.message("guard", { where: (m) => m.event === "given-back" });
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is bounded, and the next order follows",
    async () => {
      const args = ["--allow-limits", ...ordered("raise=4M:6M", "kill")];
      const scene = await Scene.set(args);
      const first = await leakIn(scene, scene.group, (LIMIT + 2 * MB) / KB);
      expect(words(await scene.closed())).toBe("relieved raised");
      await finished(first);
      const second = await leakIn(scene, scene.group, (8 * MB) / KB);
      await until("a kill", () => scene.victims().length > 0, FINISH_MS);
      expect(scene.victims()).toEqual([first.pid]);
      await finished(second);
      const added = scene.steps("raise").map(({ bytes }) => Number(bytes ?? 0));
      expect(Math.max(...added)).toBeLessThanOrEqual(6 * MB);
      expect(Math.max(...added)).toBeGreaterThan(0);
      await second.stop();
      await limitIs(scene.group, LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is given back by release, and not before there is room, when everything of ours was killed",
    async () => {
      const { scene, leaker } = await raised();
      scene.reprieve.killAll();
      const early = await Reprieve.ends(["release"]);
      expect(early.code).toBe(exit.inUse);
      expect(early.out).toContain("was raised and still needs that");
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      await expectReleased(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "is given back by the next start",
    async () => {
      const { scene, leaker } = await raised();
      scene.reprieve.killAll();
      await scene.reprieve.proc.exited; // its locks go with it
      await leaker.stop();
      scene.reprieve = await Reprieve.guard([scene.group.path]);
      expect(scene.group.limit()).toBe(LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "is given back by the watchers when the agent is dead",
    async () => {
      const { scene, leaker } = await raised();
      const { pid } = scene.reprieve;
      kill(pid, "SIGKILL");
      await Bun.sleep(1000);
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      const early = await Reprieve.ends(["release"]);
      expect(early.out).toContain(`reprieve ${pid} is dead; its watchers give back`);
      expect(early.code).toBe(exit.inUse);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.expectAsBefore();
    },
    TEST_MS,
  );

  test(
    "that the group still needs at the end is left, told, and release's",
    async () => {
      const { scene, leaker } = await raised();
      expect(await scene.reprieve.stop()).toBe(0);
      expect(scene.reprieve.err).toContain("stays raised");
      expect(scene.group.limit()).toBe(LIMIT + RAISE);
      await expectReleased(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "is not given back over a limit that the owner has set since",
    async () => {
      const { scene, leaker } = await raised();
      scene.group.setLimit(LIMIT + 2 * RAISE);
      await leaker.stop();
      await scene.reprieve.message("guard", { where: (m) => m.event === "given-back" });
      expect(scene.group.limit()).toBe(LIMIT + 2 * RAISE);
      expect(await scene.reprieve.stop()).toBe(0);
      await scene.strike();
    },
    TEST_MS,
  );

  test(
    "in CMD's own group takes no flag",
    async () => {
      const board = new Board();
      const orders = ordered(`raise=${RAISE}`, "kill");
      const numbers = [0, LITTLE_MORE_KB, 4, 0, 1].map(String);
      const cmd = [fixture("workload"), board.file, "0", "-", "touch", ...numbers];
      const args = ["run", "--limit", String(memory.limitFor(LIMIT)), "--listen", "none"];
      const reprieve = Reprieve.start([...args, "--json", ...orders, "--", ...cmd]);
      const leaker = await board.first().ready();
      leaker.go();
      expect(words(await reprieve.message("incident.closed"))).toBe("relieved raised");
      await finished(leaker);
      expect(await reprieve.stop()).toBe(exit.signal + os.signals.SIGTERM);
      board.close();
    },
    TEST_MS,
  );
});
