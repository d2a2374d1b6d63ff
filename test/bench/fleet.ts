// SPDX-License-Identifier: MIT
/**
 * Figure: what a fleet costs a real Prometheus, with the config and the rules that ship: series, memory, CPU, the time of the rules and of the
 * dashboard's queries. Hosts say what real ones have said; some thousand stand on this machine (dist/docs/fleet.md has the arithmetic).
 * HOSTS=2000 has so many in the last row.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chosen, QUERIES } from "../helpers/dashboard.ts";
import { Fleet, realScrapes } from "../helpers/fleet.ts";
import type { Prometheus } from "../helpers/prometheus.ts";
import { onEnd } from "./lib/cleanup.ts";
import { killQuietly } from "./lib/group.ts";
import { kilobytes } from "./lib/helpers.ts";
import { type Row, report, say } from "./lib/report.ts";

/** Each host is asked so often, all of it on this machine's CPUs; the config that ships says twice as often. */
const INTERVAL_S = 60;
/** Rates and rules have what they need after some. */
const SCRAPES_BEFORE = 3;
const READINGS = 12;
const UP_BOUND_S = 600;

interface Size {
  readonly hosts: number;
  readonly guards: number;
  /** No usage and limits of guards: the choice in prometheus.yml. */
  readonly isBounded: boolean;
}

const SIZES: readonly Size[] = [
  { hosts: 250, guards: 20, isBounded: false },
  { hosts: 1000, guards: 20, isBounded: false },
  { hosts: 1000, guards: 20, isBounded: true },
  { hosts: Number(process.env.HOSTS ?? 10_000), guards: 5, isBounded: true },
];

const dir = mkdtempSync(join(tmpdir(), "reprieve-bench-fleet-"));
onEnd(() => rmSync(dir, { recursive: true, force: true }));
const scrapes = await realScrapes();
const sections = [];
for (const size of SIZES) sections.push({ title: titleOf(size), rows: await measure(size) });
report("fleet", "A fleet in one Prometheus", sections);
process.exit(0);

function titleOf({ hosts, guards, isBounded }: Size): string {
  return `${hosts} hosts, ${guards} guards${isBounded ? ", no series of them" : ""}`;
}

async function measure(size: Size): Promise<Row[]> {
  const { hosts, guards, isBounded } = size;
  const fleet = new Fleet({ scrapes, hosts, guards, dir });
  const prometheus = fleet.scraped((text) => {
    const paced = text.replaceAll(/interval: (30s|2m)/g, `interval: ${INTERVAL_S}s`);
    return isBounded ? paced.replace(/#: (.*usage_bytes.*)/, "$1") : paced;
  });
  const forget = onEnd(() => killQuietly(prometheus.pid));
  say(`fleet: ${titleOf(size)}`);
  await allUp(prometheus, hosts);
  await Bun.sleep(SCRAPES_BEFORE * INTERVAL_S * 1000);
  const rows = await read(prometheus, hosts);
  await prometheus.stop();
  await fleet.stop();
  forget();
  return rows;
}

async function allUp(prometheus: Prometheus, hosts: number): Promise<void> {
  for (let waitedS = 0; waitedS < UP_BOUND_S; waitedS += 5) {
    const [up] = await prometheus.query("sum(up)");
    if (Number(up?.value[1]) === hosts) return;
    await Bun.sleep(5000);
  }
  throw new Error(`Cannot measure ${hosts} hosts as not all are up after ${UP_BOUND_S} s`);
}

async function read(prometheus: Prometheus, hosts: number): Promise<Row[]> {
  const values: Record<string, number[]> = {};
  const add = (label: string, value: number) => {
    values[label] = [...(values[label] ?? []), value];
  };
  let lastCpuS = await prometheus.own("process_cpu_seconds_total");
  for (let i = 0; i < READINGS; i += 1) {
    await Bun.sleep(10_000);
    const series = await prometheus.own("prometheus_tsdb_head_series ");
    const rss = kilobytes(`/proc/${prometheus.pid}/status`, "VmRSS") * 1024;
    const cpuS = await prometheus.own("process_cpu_seconds_total");
    const ruleS = "prometheus_rule_group_last_duration_seconds";
    add("series", series);
    add("series a host", series / hosts);
    add("resident, MB", rss / 1e6);
    add(
      "heap in use, bytes a series",
      (await prometheus.own("go_memstats_heap_inuse_bytes ")) / series,
    );
    add("resident, bytes a series", rss / series);
    add("CPU of Prometheus, %", (cpuS - lastCpuS) * 10);
    add(
      "rules of the cluster, ms",
      1000 *
        (await prometheus.own(
          `${ruleS}{rule_group="${prometheus.file("recording.yml")};reprieve-cluster"`,
        )),
    );
    add(
      "rule of single hosts, ms",
      1000 *
        (await prometheus.own(
          `${ruleS}{rule_group="${prometheus.file("recording.yml")};reprieve-instance"`,
        )),
    );
    add(
      "alerts, ms",
      1000 * (await prometheus.own(`${ruleS}{rule_group="${prometheus.file("alerts.yml")}`)),
    );
    lastCpuS = cpuS;
  }
  for (const [, expr] of QUERIES) {
    const before = performance.now();
    await prometheus.query(chosen(expr));
    add("a query of the dashboard, ms", performance.now() - before);
  }
  return Object.entries(values).map(([label, of]) => ({ label, values: of }));
}
