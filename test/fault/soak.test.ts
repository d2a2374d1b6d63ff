// SPDX-License-Identifier: MIT
/**
 * Rounds with random faults, drawn from a printed seed: not one hangs, and whenever an arena is left every switch
 * and limit is as before.
 *
 *   SEED=1 ROUNDS=10000 bun test test/fault/soak.test.ts     repeats and prolongs
 */
import { afterAll, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import type { Role } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { type Arena, draw, enter, leave } from "../helpers/round.ts";
import { isAlive } from "../helpers/workload.ts";
import { checkParting, drawFaults, playDrawn } from "./drawn.ts";

const rounds = Number(process.env.ROUNDS ?? 100);
const seed = seedFromEnv();
const ROUNDS_PER_ARENA = 6;
const BOUND_MS = 30_000; // and for each round, which takes about 300 ms:
const ROUND_BOUND_MS = 2000;
const FAILURES_SHOWN = 5;

afterAll(cleanUp);

async function part(arena: Arena): Promise<string[]> {
  const wrong = await checkParting(arena).catch((error) => [String(error)]);
  await leave(arena);
  return wrong;
}

describeWith("soak", kernelTest, () => {
  test(
    `${rounds} rounds with random faults: none hung, all as before`,
    async () => {
      console.log(`SEED=${seed} ROUNDS=${rounds}`);
      const random = new Random(seed);
      const failures: string[] = [];
      let arena: Arena | null = null;
      let killed = new Set<Role>();
      const struck = new Map<string, number>();
      for (let i = 0; i < rounds; i += 1) {
        if (arena === null) {
          arena = await enter(random, random.chance(0.3) ? ["--handler", "inside"] : []);
          killed = new Set();
        }
        const plan = draw(random, arena.limit);
        const faults = drawFaults(random, killed);
        for (const { kind } of faults) struck.set(kind, (struck.get(kind) ?? 0) + 1);
        const wrong = await playDrawn(arena, plan, faults).catch((error) => [String(error)]);
        const isLast = i + 1 === rounds || (i + 1) % ROUNDS_PER_ARENA === 0;
        // The kernel's killer may take a nursery; that is no fault, but nobody is born there any more.
        const isSpent = arena.nurseries.some((nursery) => !nursery.isAlive());
        if (isLast || isSpent || wrong.length > 0 || !isAlive(arena.reprieve.pid)) {
          wrong.push(...(await part(arena)));
          arena = null;
        }
        if (wrong.length > 0) {
          failures.push(`round ${i}: ${wrong.join("; ")}: ${JSON.stringify({ faults, plan })}`);
        }
      }
      console.log(
        `${failures.length} wrong; struck: ${JSON.stringify(Object.fromEntries(struck))}`,
      );
      for (const failure of failures.slice(0, FAILURES_SHOWN)) console.error(failure);
      expect(failures).toHaveLength(0);
    },
    BOUND_MS + rounds * ROUND_BOUND_MS,
  );
});
