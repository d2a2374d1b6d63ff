// SPDX-License-Identifier: MIT
/**
 * Hosts that say what real ones have said after real OOMs, read by a real Prometheus with the config and the rules that ship: how many series
 * that makes, that each rule and each query of the dashboard finds something.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { openssl } from "../helpers/certificate.ts";
import { cleanUp } from "../helpers/clean.ts";
import { chosen, QUERIES } from "../helpers/dashboard.ts";
import { type Feed, serve } from "../helpers/feed.ts";
import { Fleet, realScrapes } from "../helpers/fleet.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { repository } from "../helpers/paths.ts";
import { Prometheus, SCRAPED_BOUND_MS, SHIPPED } from "../helpers/prometheus.ts";
import { describeWith, kernelTest, prometheusPackage } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

const HOSTS = 10;
const GUARDS = 5;
/** As dist/docs/fleet.md says: of a host, of a guard that has had an incident, of a scrape. */
const SERIES = { host: 59, guard: 4, scrape: 5 };

/** Bun ends what a test has started, when that takes too long: so the waits in it are over before. */
const TEST_BOUND_MS = 3 * SCRAPED_BOUND_MS;

const RECORDED = [
  ...readFileSync(`${repository}/dist/prometheus/recording.yml`, "utf8").matchAll(/record: (.+)/g),
].map(([, name = ""]) => name);

describeWith("a fleet", [...kernelTest, prometheusPackage, openssl], () => {
  const dir = makeFolder("fleet");
  const everySecond = (text: string) => text.replaceAll(/interval: (30s|1m|2m)/g, "interval: 1s");
  const shipped = (name: string) => everySecond(readFileSync(`${SHIPPED}/${name}`, "utf8"));
  let fleet: Fleet;
  let host: Feed;
  let prometheus: Prometheus;
  let others: Prometheus[] = [];

  /** One above it, and one beside a real reprieve that sends it all. */
  function othersOf({ address }: Prometheus): Prometheus[] {
    const shards = JSON.stringify([{ targets: [address] }]);
    const agent = shipped("agent.yml")
      .replace("/etc/reprieve/token", "token")
      .replace("127.0.0.1:7461", host.address)
      .replace("https://prometheus.example/", `http://${address}/`)
      .replace("/etc/prometheus/remote.token", "token");
    return [
      new Prometheus(shipped("global.yml"), { "shards/all.yml": shards }),
      new Prometheus(agent, { token: host.token }, "agent"),
    ];
  }

  beforeAll(async () => {
    fleet = new Fleet({ scrapes: await realScrapes(), hosts: HOSTS, guards: GUARDS, dir });
    prometheus = fleet.scraped(everySecond);
    host = await serve();
    others = othersOf(prometheus);
    await prometheus.value(`count(max_over_time(up{instance=~".+:7461"}[1m]) == 1)`, HOSTS);
  }, TEST_BOUND_MS);

  afterAll(async () => {
    for (const one of [prometheus, ...others]) await one?.stop();
    await host?.scene.end();
    await fleet?.stop();
    removeFolder(dir);
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

  test(
    "is known, in sums, to the Prometheus above",
    async () => {
      await others[0]?.value(`sum(cluster:reprieve_hosts:count) >= bool ${HOSTS}`, 1);
      expect(await others[0]?.query("reprieve_ready")).toEqual([]);
    },
    TEST_BOUND_MS,
  );

  test(
    "has hosts whose own Prometheus sends what it reads",
    async () => {
      await prometheus.value('reprieve_ready{instance="host-1", cluster="eu"}', 1);
    },
    TEST_BOUND_MS,
  );

  test("has no rule that fails", async () => {
    expect(await prometheus.own("prometheus_rule_evaluations_total")).toBeGreaterThan(0);
    expect(await prometheus.own("prometheus_rule_evaluation_failures_total")).toBe(0);
  });

  test.each(QUERIES)("shows %s: %s", (_, expr) => found(chosen(expr)), TEST_BOUND_MS);
});
