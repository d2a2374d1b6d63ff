// SPDX-License-Identifier: MIT
/**
 * Rounds drawn from a printed seed, in a real group: every one relieved (or kernel-first,
 * counted), no page fault in the event path, the victim always of the leaker's tree, the
 * neighbours alive.
 *
 *   SEED=1 ROUNDS=5000 bun test test/kernel/rounds.test.ts     repeats and prolongs
 */
import { afterAll, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { memory } from "../helpers/memory.ts";
import { Random, seedFromEnv } from "../helpers/random.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { type Arena, draw, enter, leave, play } from "../helpers/round.ts";

const rounds = Number(process.env.ROUNDS ?? 150);
const seed = seedFromEnv();
const ROUNDS_PER_GROUP = 50;
const BOUND_MS = 30_000; // and for each round, which takes about 100 ms, on v2 500 and more:
const ROUND_BOUND_MS = 500 + memory.sleepsOnMs;
const FAILURES_SHOWN = 5;

afterAll(cleanUp);

interface Tally {
  relieved: number;
  kernelFirst: number;
  kills: number;
  woken: number;
  failures: string[];
}

async function playAll(place: string): Promise<Tally> {
  const random = new Random(seed);
  const tally: Tally = { relieved: 0, kernelFirst: 0, kills: 0, woken: 0, failures: [] };
  let arena: Arena | null = null;
  for (let i = 0; i < rounds; i += 1) {
    if (arena === null || i % ROUNDS_PER_GROUP === 0) {
      if (arena !== null) await leave(arena);
      arena = await enter(random, ["--handler", place]);
    }
    const plan = draw(random, arena.limit);
    const played = await play(arena, plan);
    if (played.kernelKills > 0) tally.kernelFirst += 1;
    else tally.relieved += 1;
    tally.kills += played.kills;
    tally.woken += played.woken;
    if (played.wrong.length > 0) {
      tally.failures.push(`round ${i}: ${played.wrong.join("; ")}: ${JSON.stringify(plan)}`);
      await leave(arena); // what follows must not inherit this round's state
      arena = null;
    }
  }
  if (arena !== null) await leave(arena);
  return tally;
}

describeWith("rounds", kernelTest, () => {
  for (const place of ["outside", "inside"]) {
    test(
      `${rounds} rounds with the handler ${place}: relieved, right victim, no page fault`,
      async () => {
        console.log(`SEED=${seed} ROUNDS=${rounds}`);
        const { relieved, kernelFirst, kills, woken, failures } = await playAll(place);
        console.log(
          `handler ${place}: ${relieved} relieved with ${kills} kills, ` +
            `${kernelFirst} kernel-first, ${woken} wake-ups, ${failures.length} wrong`,
        );
        if (failures.length > 0) throw new Error(failures.slice(0, FAILURES_SHOWN).join("\n"));
      },
      BOUND_MS + rounds * ROUND_BOUND_MS,
    );
  }
});
