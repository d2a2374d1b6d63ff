// SPDX-License-Identifier: MIT
/**
 * The agent is killed at drawn points of an incident, from before its event to behind the journal's commit: the next start
 * writes what it has left, each incident once.
 *
 *   SEED=1 KILLS=500 bun test test/kernel/journal-killed.test.ts     repeats and prolongs
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { kill } from "../helpers/group.ts";
import { Journal, leftBy } from "../helpers/journal.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const kills = Number(process.env.KILLS ?? 50);
const seed = seedFromEnv();
const BOUND_MS = 60_000 + kills * 3000;
/** From the leaker's start: its OOM takes about 50 ms, and the journal writes 130 ms after that. */
const LATEST_MS = 250;

afterEach(cleanUp);

function byId<T extends { readonly id: string }>(all: readonly T[]): T[] {
  return all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

describeWith("an agent that is killed", kernelTest, () => {
  test(
    `loses no incident, and doubles none (${kills} kills, SEED=${seed})`,
    async () => {
      const random = new Random(seed);
      const journal = new Journal();
      const opened: { id: string; isClosed: boolean }[] = [];
      const left: string[] = [];
      const scene = await Scene.set(journal.flags);
      for (let i = 0; i < kills; i += 1) {
        if (i > 0) scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
        const region = await leftBy(scene.reprieve);
        scene.board.clear();
        const plan = { means: "touch", kb: LEAK_KB } as const;
        const leaker = await scene.board.start(scene.group, plan).ready();
        leaker.go();
        await Bun.sleep(random.next() * LATEST_MS);
        kill(scene.reprieve.pid, "SIGKILL");
        await scene.reprieve.ended();
        await until("the leaker's death", () => !leaker.isAlive());
        await until("the helpers' end", () => scene.reprieve.helpers().size === 0);
        opened.push(...region.incidents());
        left.push(region.path);
      }
      // What the last one has left is for the next.
      scene.reprieve = await Reprieve.guard([scene.group.path], journal.flags);
      await until("all to be written", () => journal.incidents().length >= opened.length);
      await scene.end();
      const kept = journal.incidents().map(({ id, outcome }) => {
        return { id, isClosed: outcome !== "unknown" };
      });
      expect(byId(kept)).toEqual(byId(opened));
      expect(left.filter((path) => existsSync(path))).toEqual([]);
    },
    BOUND_MS,
  );
});
