// SPDX-License-Identifier: MIT
/**
 * The agent is killed at drawn points of an incident, from before its event to behind the journal's commit: the next start
 * writes what it has left, each incident once.
 *
 *   SEED=1 KILLS=500 bun test test/kernel/journal-killed.test.ts     repeats and prolongs
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { PLACES } from "../../src/journal/row.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, guard } from "../helpers/config.ts";
import { Group, kill } from "../helpers/group.ts";
import { Journal, leftBy } from "../helpers/journal.ts";
import { memory } from "../helpers/memory.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const KILLS = Number(process.env.KILLS ?? 50);
const LANES = 2;
const seed = seedFromEnv();
const BOUND_MS = 60_000 + KILLS * 3000;
/** From the leaker's start: its OOM takes about 50 ms, and the journal writes 130 ms after that. */
const LATEST_MS = 220;

afterEach(cleanUp);

function byId<T extends { readonly id: string }>(all: readonly T[]): T[] {
  return all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** One agent after the other is killed; the last one writes what the one before has left. */
async function kills(count: number, random: Random): Promise<void> {
  const journal = new Journal();
  const opened: { id: string; isClosed: boolean }[] = [];
  const left: string[] = [];
  const group = new Group("killed", { limit: LIMIT });
  const config = new ConfigFile();
  const exported = `${journal.dir}/exported.jsonl`;
  const at = group.path.slice(memory.root.length);
  config.write(`${guard("web", at)}[export]\njsonl = "${exported}"\n`);
  const flags = ["--config", config.path, ...journal.flags];
  const scene = await Scene.around(group, flags);
  for (let i = 0; i < count; i += 1) {
    if (i > 0) scene.reprieve = await Reprieve.guard([group.path], flags);
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
  scene.reprieve = await Reprieve.guard([group.path], flags);
  await until("all to be written", () => journal.incidents().length >= opened.length);
  const isOwed = ({ id }: { id: string }) => ((journal.owed(id) ?? 0) & PLACES.jsonl) !== 0;
  await until("all to be exported", () => !opened.some(isOwed));
  await scene.end();
  const kept = journal.incidents().map(({ id, outcome }) => {
    return { id, isClosed: outcome !== "unknown" };
  });
  expect(byId(kept)).toEqual(byId(opened));
  expect(left.filter((path) => existsSync(path))).toEqual([]);
  // At least once: whether it had arrived at the kill cannot always be known.
  const lines = readFileSync(exported, "utf8").trim().split("\n");
  const ids = new Set(lines.map((line) => JSON.parse(line).id));
  expect([...ids].sort()).toEqual(opened.map(({ id }) => id).sort());
  config.remove();
}

describeWith("an agent that is killed", kernelTest, () => {
  test(
    `loses no incident, and doubles none (${KILLS} kills, SEED=${seed})`,
    async () => {
      // Beside another one's: what is left for one journal is none of the other's.
      const lanes = Array.from({ length: LANES }, (_, lane) =>
        kills(Math.ceil(KILLS / LANES), new Random(seed + lane)),
      );
      await Promise.all(lanes);
    },
    BOUND_MS,
  );
});
