// SPDX-License-Identifier: MIT
/**
 * Hosts that say what real ones have said after real OOMs, read by a real Prometheus with the config and the rules that ship: how many series
 * that makes, that each rule and each query of the dashboard finds something.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openssl } from "../helpers/certificate.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Fleet, realScrapes } from "../helpers/fleet.ts";
import { repository } from "../helpers/paths.ts";
import { type Prometheus, SCRAPED_BOUND_MS } from "../helpers/prometheus.ts";
import { describeWith, kernelTest, prometheusPackage } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

const HOSTS = 10;
const GUARDS = 5;
/** As dist/docs/fleet.md says: of a host, of a guard that has had an incident, of a scrape. */
const SERIES = { host: 59, guard: 4, scrape: 5 };

/** Bun ends what a test has started, when that takes too long: so the waits in it are over before. */
const TEST_BOUND_MS = 3 * SCRAPED_BOUND_MS;

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels }: { panels: Panel[] } = JSON.parse(
  readFileSync(`${repository}/dist/grafana/reprieve.json`, "utf8"),
);
const QUERIES = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }): [string, string] => [title, expr]),
);
const RECORDED = [
  ...readFileSync(`${repository}/dist/prometheus/recording.yml`, "utf8").matchAll(/record: (.+)/g),
].map(([, name = ""]) => name);

/** As Grafana puts its variables in. */
function chosen(expr: string): string {
  return expr
    .replaceAll("$cluster", ".*")
    .replaceAll("$instance", "host-1:7461") // of those that left their OOM to the kernel
    .replaceAll("$guard", ".*")
    .replace(/\$__(rate_interval|range)/g, "1m");
}

describeWith("a fleet", [...kernelTest, prometheusPackage, openssl], () => {
  const dir = mkdtempSync(join(tmpdir(), "reprieve-fleet-"));
  let fleet: Fleet;
  let prometheus: Prometheus;

  beforeAll(async () => {
    fleet = new Fleet({ scrapes: await realScrapes(), hosts: HOSTS, guards: GUARDS, dir });
    prometheus = fleet.scraped((text) => text.replaceAll(/interval: (30s|2m)/g, "interval: 1s"));
    await prometheus.value("count(max_over_time(up[1m]) == 1)", HOSTS);
  }, TEST_BOUND_MS);

  afterAll(async () => {
    await prometheus?.stop();
    await fleet?.stop();
    rmSync(dir, { recursive: true });
    await cleanUp();
  });

  const found = async (query: string) => {
    const isThere = async () => (await prometheus.query(query)).length > 0;
    await until(query, isThere, SCRAPED_BOUND_MS, 100);
  };

  test(
    "makes as many series as was worked out",
    async () => {
      const of = (host: number) =>
        `count({instance="host-${host}:7461", __name__=~"reprieve_.+|up|scrape_.+"})`;
      const each = SERIES.host + SERIES.guard * GUARDS + SERIES.scrape;
      await prometheus.value(of(0), each);
      await prometheus.value(of(1), each + 1); // it has one reason of a hand-over
    },
    TEST_BOUND_MS,
  );

  test.each(RECORDED)("has %s", found, TEST_BOUND_MS);

  test("has no rule that fails", async () => {
    expect(await prometheus.own("prometheus_rule_evaluations_total")).toBeGreaterThan(0);
    expect(await prometheus.own("prometheus_rule_evaluation_failures_total")).toBe(0);
  });

  test.each(QUERIES)("shows %s: %s", (_, expr) => found(chosen(expr)), TEST_BOUND_MS);
});
