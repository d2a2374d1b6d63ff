// SPDX-License-Identifier: MIT
/**
 * Figure: the neighbour's longest stall and its failed system calls, for a 200 MB burst into the
 * limit.
 *
 * Three sides in one run: the kernel's killer, reprieve, and the C floor, which only v1 has.
 */
import { isV2 } from "./lib/group.ts";
import { PAIRS, report, type Section, say } from "./lib/report.ts";
import {
  BURST_200,
  interleave,
  kernelSide,
  killedCount,
  LIMIT_200,
  PACED,
  programSide,
  type Result,
  relievedCount,
  reprieveSide,
  round,
  TIGHT,
} from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

/** Each neighbour with the most that reprieve / kernel may be; the tight loop takes all of the VM's one CPU. */
const NEIGHBOURS = isV2 ? PACED : [{ title: "tight loop, 16 pages a turn", ...TIGHT }, ...PACED];
const MOST = isV2 ? [0.5, 1, 1] : [0.3, 0.7, 0.7, 1];

const sides = [
  await kernelSide(LIMIT_200),
  await reprieveSide(LIMIT_200),
  ...(isV2 ? [] : [await programSide("floor", LIMIT_200)]),
];
const sections: Section[] = [];
for (const [i, neighbour] of NEIGHBOURS.entries()) {
  const results = await interleave(sides, PAIRS, (side, pair) => {
    say(`stall: ${neighbour.title}, pair ${pair + 1} of ${PAIRS}`);
    return round(side, BURST_200, neighbour);
  });
  sections.push(section(neighbour.title, MOST[i] ?? 1, results));
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
