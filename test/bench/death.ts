// SPDX-License-Identifier: MIT
/**
 * Figure: the leaker's last good touch to its death, reprieve against the kernel's killer and the
 * C floor.
 */
import { PAIRS, report, type Section, say } from "./lib/report.ts";
import {
  BURST_200,
  interleave,
  kernelSide,
  LIMIT_200,
  programSide,
  type Result,
  relievedCount,
  reprieveSide,
  round,
  TIGHT,
} from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const SCENES = [
  { title: "beside a tight loop of 16 pages", neighbour: TIGHT },
  { title: "alone in the group", neighbour: undefined },
];

const sides = [
  await kernelSide(LIMIT_200),
  await reprieveSide(LIMIT_200),
  await programSide("floor", LIMIT_200),
];
const sections: Section[] = [];
for (const { title, neighbour } of SCENES) {
  const results = await interleave(sides, PAIRS, (side, pair) => {
    say(`death: ${title}, pair ${pair + 1} of ${PAIRS}`);
    return round(side, BURST_200, neighbour);
  });
  sections.push(section(title, results));
}
for (const side of sides) await side.stop();
report("death", "Leaker's last good touch to its death, 200 MB burst", sections);

function section(title: string, results: Map<string, Result[]>): Section {
  const [kernel, reprieve, floor] = ["kernel", "reprieve", "floor"].map((side) =>
    (results.get(side) ?? []).map((result) => result.deathMs),
  ) as [number[], number[], number[]];
  return {
    title,
    rows: [
      { label: "kernel, ms", values: kernel },
      { label: "reprieve, ms", values: reprieve },
      { label: "floor, ms", values: floor },
      { label: "reprieve / kernel", values: ratios(reprieve, kernel), target: { median: 0.6 } },
      { label: "reprieve / floor", values: ratios(reprieve, floor) },
      { label: "floor / kernel", values: ratios(floor, kernel) },
    ],
    counts: [relievedCount(results)],
  };
}
