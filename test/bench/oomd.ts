// SPDX-License-Identifier: MIT
/**
 * Figure, on cgroup v2: the neighbour's longest stall for a 200 MB burst into the limit, reprieve against Meta's oomd at
 * its fastest.
 *
 * Every round has a group and a killer of its own: oomd's pressure is an average of 10 s, and would have it kill again. All
 * sides have leaker and neighbour in child groups, and the burst begins anywhere in oomd's second.
 */
import { type Detector, oomdSide } from "./lib/oomd.ts";
import { PAIRS, report, type Section, say } from "./lib/report.ts";
import {
  BURST_200,
  killedCount,
  LIMIT_200,
  PACED,
  type Prepare,
  type Result,
  relievedCount,
  reprieveSide,
  round,
  turning,
} from "./lib/round.ts";
import { ratios } from "./lib/stats.ts";

const LOOKS_EVERY_MS = 1000;
const MOST: Readonly<Record<Detector, number>> = { memory_above: 0.1, pressure_above: 0.03 };
const DETECTORS = Object.keys(MOST) as Detector[];

const splitTo200: Prepare = async (group) => {
  await LIMIT_200(group);
  group.split();
};
const sides = [
  { name: "reprieve", begin: () => reprieveSide(splitTo200) },
  ...DETECTORS.map((name) => ({ name, begin: () => oomdSide(name, splitTo200) })),
];

const sections: Section[] = [];
for (const neighbour of PACED) {
  const results = new Map<string, Result[]>(sides.map(({ name }) => [name, []]));
  for (let pair = 0; pair < PAIRS; pair++) {
    say(`oomd: ${neighbour.title}, pair ${pair + 1} of ${PAIRS}`);
    for (const { name, begin } of turning(sides, pair)) {
      const side = await begin();
      await Bun.sleep(Math.random() * LOOKS_EVERY_MS);
      results.get(name)?.push(await round(side, BURST_200, neighbour));
      await side.stop();
    }
  }
  sections.push(section(neighbour.title, results));
}
report("oomd", "The neighbour's longest stall, 200 MB burst, against oomd", sections);

function section(title: string, results: Map<string, Result[]>): Section {
  const of = (side: string) => results.get(side) ?? [];
  const stalls = (side: string) => of(side).map(({ stallMs }) => stallMs);
  return {
    title,
    rows: [
      ...sides.map(({ name }) => ({ label: `${name}, ms`, values: stalls(name) })),
      ...DETECTORS.map((name) => ({
        label: `reprieve / ${name}`,
        values: ratios(stalls("reprieve"), stalls(name)),
        target: { median: MOST[name] },
      })),
    ],
    counts: [relievedCount(results), ...sides.map(({ name }) => killedCount(name, of(name)))],
  };
}
