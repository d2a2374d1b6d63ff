// SPDX-License-Identifier: MIT
/**
 * Figure: how often the kernel kills before late arming has switched its killer off
 * (`kernel-first`).
 *
 * One reprieve a margin, one group each, taking turns: while one group has its burst, the others
 * go back to quiet, so every burst starts far from the limit with the kernel's killer on.
 * BURSTS=200 a margin.
 */
import { MIB } from "./lib/group.ts";
import { type Count, report, type Section, say } from "./lib/report.ts";
import { type Burst, BYTES_200, LIMIT_200, reprieveSide, round, type Side } from "./lib/round.ts";

const BURSTS = Math.max(1, Number(process.env.BURSTS ?? 200));
const MARGINS_MIB = ["default", 2, 4, 8, 16, 32] as const;
const BURST_BYTES = BYTES_200 + 64 * MIB;

/** The fastest this machine can make: two threads on two CPUs, by each means in turn. */
const MEANS: readonly Burst["means"][] = ["huge", "populate", "touch"];

const sides: Side[] = [];
for (const margin of MARGINS_MIB) {
  const options = margin === "default" ? [] : ["--margin", `${margin}M`];
  const name = margin === "default" ? "margin-default" : `margin-${margin}-MB`;
  sides.push(await reprieveSide(LIMIT_200, ["--listen", "none", ...options], name));
}
/** Outcomes by side and means. */
const outcomes = new Map<string, string[]>();
for (let n = 0; n < BURSTS; n++) {
  const means = MEANS[n % MEANS.length] ?? "huge";
  for (const side of sides) {
    say(`kernel-first: burst ${n + 1} of ${BURSTS}, ${side.name}, ${means}`);
    const { outcome = "none" } = await round(side, { bytes: BURST_BYTES, means, threads: 2 });
    const key = `${side.name}, ${means}`;
    outcomes.set(key, [...(outcomes.get(key) ?? []), outcome]);
  }
}
for (const side of sides) await side.stop();
const sections = sides.map(section);
report("kernel-first", `${BURSTS} bursts a margin, as fast as this machine can`, sections);

function section(side: Side): Section {
  const counts = MEANS.map((means): Count => {
    const all = outcomes.get(`${side.name}, ${means}`) ?? [];
    const first = all.filter((one) => one === "kernel-first").length;
    const label = `kernel-first, ${means}`;
    if (side.name !== "margin-default") return { label, count: first, of: all.length };
    return { label, count: first, of: all.length, most: 0 };
  });
  const all = MEANS.flatMap((means) => outcomes.get(`${side.name}, ${means}`) ?? []);
  const relieved = all.filter((one) => one === "relieved").length;
  return {
    title: side.name,
    rows: [],
    counts: [...counts, { label: "relieved", count: relieved, of: all.length }],
  };
}
