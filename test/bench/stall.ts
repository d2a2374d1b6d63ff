// SPDX-License-Identifier: MIT
/**
 * Figure: the neighbour's longest stall and its failed system calls, for a 200 MB burst into the
 * limit.
 *
 * Three sides in one run: the kernel's killer, reprieve, and the C floor, which only v1 has.
 */
import { isV2, MIB } from "./lib/group.ts";
import { type Count, PAIRS, report, type Section, say } from "./lib/report.ts";
import {
  BURST_200,
  interleave,
  kernelSide,
  LIMIT_200,
  type Neighbour,
  programSide,
  type Result,
  relievedCount,
  reprieveSide,
  round,
  TIGHT,
} from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const PACE_US = 10_000;

/** Each neighbour with the most that reprieve / kernel may be, on v1 and v2. */
const NEIGHBOURS: readonly (Neighbour & { readonly title: string; readonly most: number })[] = [
  { title: "tight loop, 16 pages a turn", ...TIGHT, most: isV2 ? 1 : 0.3 },
  { title: "64 KB every 10 ms", bytes: 64 << 10, paceUs: PACE_US, most: isV2 ? 0.5 : 0.7 },
  { title: "1 MB every 10 ms", bytes: MIB, paceUs: PACE_US, most: isV2 ? 1 : 0.7 },
  { title: "8 MB every 10 ms", bytes: 8 * MIB, paceUs: PACE_US, most: 1 },
];

const sides = [
  await kernelSide(LIMIT_200),
  await reprieveSide(LIMIT_200),
  ...(isV2 ? [] : [await programSide("floor", LIMIT_200)]),
];
const sections: Section[] = [];
for (const neighbour of NEIGHBOURS) {
  const results = await interleave(sides, PAIRS, (side, pair) => {
    say(`stall: ${neighbour.title}, pair ${pair + 1} of ${PAIRS}`);
    return round(side, BURST_200, neighbour);
  });
  sections.push(section(neighbour.title, neighbour.most, results));
}
for (const side of sides) await side.stop();
report("stall", "The neighbour's longest stall, 200 MB burst into a 200 MB group", sections);

function section(title: string, most: number, results: Map<string, Result[]>): Section {
  const of = (side: string) => results.get(side) ?? [];
  /** A stall that ended in death has no length: such a pair is left out, and counted. */
  const whole = (_: unknown, pair: number) =>
    sides.every(({ name }) => of(name)[pair]?.neighbourLived);
  const values = (side: string, key: "stallMs" | "failedCalls") =>
    of(side)
      .map((result) => result[key])
      .filter(whole);
  const [kernel, reprieve, floor] = [
    values("kernel", "stallMs"),
    values("reprieve", "stallMs"),
    values("floor", "stallMs"),
  ];
  const floors = () => [
    { label: "floor, ms", values: floor },
    { label: "reprieve / floor", values: ratios(reprieve, floor), target: { median: 1.2 } },
    { label: "floor / kernel", values: ratios(floor, kernel) },
    { label: "failed calls, floor", values: values("floor", "failedCalls") },
  ];
  return {
    title,
    rows: [
      { label: "kernel, ms", values: kernel },
      { label: "reprieve, ms", values: reprieve },
      { label: "reprieve / kernel", values: ratios(reprieve, kernel), target: { median: most } },
      { label: "failed calls, kernel", values: values("kernel", "failedCalls") },
      { label: "failed calls, reprieve", values: values("reprieve", "failedCalls") },
      ...(isV2 ? [] : floors()),
    ],
    counts: [relievedCount(results), ...sides.map(({ name }) => killedCount(name, of(name)))],
  };
}

function killedCount(name: string, results: readonly Result[]): Count {
  const count = results.filter((result) => !result.neighbourLived).length;
  return { label: `neighbour killed, ${name}`, count, of: results.length };
}
