// SPDX-License-Identifier: MIT
/**
 * Figure: last good touch to the victim's death with 1,000 processes in the group, against a
 * minimal C program that is told its victim's pid before. SAMPLES=1000 a side; PROCS=1000. On v2 also
 * from when the victim went over memory.high to its SIGKILL: most of the rest is freeing.
 *
 * A single pair's ratio says little of the tail: two rounds of the minimal program differ by as much.
 * So the tail is compared as p99 to p99, and the spread of minimal against itself stands beside it.
 *
 * "Known" victims were in the group long enough for the sampler to have seen them; those "held ready" were among the
 * largest besides, so that the handler had them open; "newborn" ones were not seen.
 */
import { crowdedTo } from "./lib/crowd.ts";
import { isV2, MIB } from "./lib/group.ts";
import { Page } from "./lib/page.ts";
import type { Program } from "./lib/programs.ts";
import { report, type Section, say } from "./lib/report.ts";
import { type Burst, fire, leakerIn, programSide, reprieveSide, type Side } from "./lib/round.ts";
import { quantile, ratios } from "./lib/stats.ts";
import { Trace } from "./lib/trace.ts";

const SAMPLES = Math.max(2, Number(process.env.SAMPLES ?? 1000));
const PROCS = Math.max(1, Number(process.env.PROCS ?? 1000));
const BURST: Burst = { bytes: 128 * MIB, means: "touch", threads: 1 };
/** How far the limit is above what the crowd holds; a waiting leaker holds 0.2 MB. */
const ROOM = 48 * MIB;
/** More than anybody of the crowd. */
const BEFORE_BYTES = 2 * MIB;
/** Leakers that wait in the group at a time. */
const BATCH = 10;
/** The far sampling interval is 1 s. */
const SEEN_MS = 1200;
/** Relief must hold before the next burst counts as a new OOM. */
const REST_MS = 30;

interface Taken {
  readonly deathMs: number;
  readonly killMs: number;
}

interface Leaker {
  readonly page: Page;
  readonly witness: Program;
}

/** A page a waiting leaker, used again by the next batch. */
const pages = new Map<string, Page>();

const trace = isV2 ? new Trace() : undefined;
const crowded = crowdedTo(PROCS, ROOM);
const sides = [await reprieveSide(crowded), await programSide("minimal", crowded)];
const sections = [
  await section("victim known for a second", SAMPLES, BATCH, SEEN_MS),
  await section("victim held ready", Math.ceil(SAMPLES / 2), BATCH, SEEN_MS, BEFORE_BYTES),
  await section("victim newborn", Math.ceil(SAMPLES / 10), 1, 0),
];
for (const side of sides) await side.stop();
report("thousand", `Last good touch to death, ${PROCS} processes in the group`, sections);

async function section(
  title: string,
  count: number,
  batch: number,
  waitMs: number,
  beforeBytes?: number,
) {
  const found: Taken[][] = sides.map(() => []);
  const from = sides[0]?.reprieve?.messages.length;
  for (let done = 0; done < count; done += batch) {
    say(`thousand: ${title}, pair ${done + 1} of ${count}`);
    const waiting = await Promise.all(sides.map((side) => leakersIn(side, batch, beforeBytes)));
    await Bun.sleep(waitMs);
    for (let n = 0; n < batch; n++) {
      for (const index of n % 2 === 0 ? [0, 1] : [1, 0]) {
        const [side, leaker] = [sides[index], waiting[index]?.[n]];
        if (side === undefined || leaker === undefined) continue;
        side.page.set("victimPid", leaker.page.get("leakerPid"));
        found[index]?.push(await taken(leaker));
        await Bun.sleep(REST_MS);
      }
    }
  }
  const [reprieve = [], minimal = []] = found.map((rounds) => rounds.map((one) => one.deathMs));
  const [reprieveKill = [], minimalKill = []] = found.map((rounds) =>
    rounds.map((one) => one.killMs),
  );
  const kills = [
    { label: "high to SIGKILL, reprieve, ms", values: reprieveKill },
    { label: "high to SIGKILL, minimal, ms", values: minimalKill },
    {
      label: "reprieve / minimal",
      values: ratios(reprieveKill, minimalKill),
      target: { median: 2 },
    },
  ];
  return {
    title,
    rows: [
      ...(trace ? kills : []),
      { label: "reprieve, ms", values: reprieve },
      { label: "minimal, ms", values: minimal },
      {
        label: "reprieve / minimal",
        values: ratios(reprieve, minimal),
        target: { median: 1.3 },
      },
      {
        label: "p99 / p99",
        values: [quantile(reprieve, 0.99) / quantile(minimal, 0.99)],
        target: { max: 2 },
      },
      {
        label: "minimal / minimal before it",
        values: ratios(minimal.slice(1), minimal.slice(0, -1)),
      },
    ],
    counts: [
      { label: "relieved by reprieve itself", count: relievedSince(from), of: reprieve.length },
    ],
  } satisfies Section;
}

async function taken({ page, witness }: Leaker): Promise<Taken> {
  const pid = page.get("leakerPid");
  trace?.clear();
  const deathMs = await fire(page, witness);
  return { deathMs, killMs: trace?.highToKillMs(pid) ?? Number.NaN };
}

function relievedSince(from?: number): number {
  const closed = sides[0]?.reprieve?.closed(from) ?? [];
  return closed.filter(({ outcome }) => outcome === "relieved").length;
}

async function leakersIn(side: Side, count: number, beforeBytes?: number): Promise<Leaker[]> {
  const burst = beforeBytes === undefined ? BURST : { ...BURST, beforeBytes };
  const leakers: Leaker[] = [];
  for (let n = 0; n < count; n++) {
    const key = `${side.name} ${n}`;
    const page = pages.get(key) ?? new Page();
    pages.set(key, page);
    page.clear();
    leakers.push({ page, witness: await leakerIn(side.group, page, burst) });
  }
  return leakers;
}
