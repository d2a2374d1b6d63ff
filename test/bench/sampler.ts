// SPDX-License-Identifier: MIT
/**
 * Figure: CPU time the sampler takes per process and snapshot, near the limit, against a bare
 * pread of a primed statm; at 1,000 and at 5,000 processes. All of the handler's CPU time counts.
 */
import { crowdedTo } from "./lib/crowd.ts";
import { killQuietly, MIB } from "./lib/group.ts";
import { cpuNs, helperPid, RegionHead } from "./lib/helpers.ts";
import { built, start } from "./lib/programs.ts";
import { PAIRS, report, type Section, say } from "./lib/report.ts";
import { reprieveSide } from "./lib/round.ts";
import { quantile, ratios } from "./lib/stats.ts";

/** Well inside the default margin of 16 MB: a snapshot every 100 ms. */
const ROOM = 4 * MIB;
const WINDOW_MS = 2000;
const PASSES = 20;
/** The first snapshots find everybody new. */
const SETTLE_MS = 3000;

const sections: Section[] = [];
const medians: number[] = [];
for (const count of [1000, 5000]) sections.push(await section(count));
const [small = Number.NaN, large = Number.NaN] = medians;
sections.push({
  title: "flat",
  rows: [
    { label: "at 5,000 / at 1,000, of medians", values: [large / small], target: { max: 1.2 } },
  ],
});
report("sampler", "CPU time per process and snapshot, group near its limit", sections);

async function section(count: number): Promise<Section> {
  const side = await reprieveSide(crowdedTo(count, ROOM), ["--listen", "none"], `sampler-${count}`);
  const pid = helperPid(side.reprieve?.pid ?? 0, "handler");
  const region = new RegionHead(pid);
  const sampler: number[] = [];
  const bare: number[] = [];
  await Bun.sleep(SETTLE_MS);
  for (let pair = 0; pair < PAIRS; pair++) {
    say(`sampler: ${count} processes, pair ${pair + 1} of ${PAIRS}`);
    const [cpu, snapshots] = [cpuNs(pid), region.snapshots()];
    await Bun.sleep(WINDOW_MS);
    const taken = region.snapshots() - snapshots;
    if (taken === 0) throw new Error(`Cannot measure as no snapshot was taken in ${WINDOW_MS} ms`);
    sampler.push((cpuNs(pid) - cpu) / taken / count);
    const program = start([built("statm"), side.group.path, String(PASSES)]);
    bare.push(Number(await new Response(program.stdout).text()));
  }
  region.close();
  medians.push(quantile(sampler, 0.5));
  for (const member of side.group.pids()) killQuietly(member);
  await side.stop();
  return {
    title: `${count} processes`,
    rows: [
      { label: "sampler, ns", values: sampler },
      { label: "bare pread of statm, ns", values: bare },
      { label: "sampler / pread", values: ratios(sampler, bare), target: { median: 2 } },
    ],
  };
}
