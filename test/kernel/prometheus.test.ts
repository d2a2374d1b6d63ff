// SPDX-License-Identifier: MIT
/** A real Prometheus reads what the built binary tells of a real OOM, and evaluates the rules that ship. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { newToken } from "../../src/http/token.ts";
import { cleanUp } from "../helpers/clean.ts";
import { freePort, serve } from "../helpers/feed.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Prometheus, promtool } from "../helpers/prometheus.ts";
import { describeWith, kernelTest, negativeScore, prometheusPackage } from "../helpers/require.ts";
import { LEAK_KB, LIMIT } from "../helpers/scene.ts";
import { openTold } from "../helpers/told.ts";

const needs = [...kernelTest, prometheusPackage];
/** One a test. */
const POOL = 5;
const started: Scraper[] = [];
const idle: Scraper[] = [];

// One sees its targets when it has run for 5 s: so all are started at once.
beforeAll(() => {
  if (needs.some((need) => need() !== null)) return;
  for (let i = 0; i < POOL; i += 1) started.push(new Scraper());
  idle.push(...started);
});
afterEach(cleanUp);
afterAll(async () => {
  for (const one of started) await one.stop();
});

class Scraper extends Prometheus {
  /** Whom it scrapes, with which token. */
  readonly port: number;

  static next(): Scraper {
    const one = idle.pop();
    if (one === undefined) throw new Error(`There are ${POOL} Prometheus, and one more test`);
    return one;
  }

  constructor(port = freePort()) {
    const config = `
global: { scrape_interval: 200ms, evaluation_interval: 200ms }
rule_files: [recording.yml, alerts.yml]
scrape_configs:
  - job_name: reprieve
    authorization: { credentials_file: token }
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]
`;
    super(config, { token: newToken() });
    this.port = port;
  }

  /** Flags of the reprieve that it scrapes. */
  get target(): string[] {
    return ["--listen", `127.0.0.1:${this.port}`, "--token-file", this.file("token")];
  }
}

describeWith("Prometheus", needs, () => {
  test("finds nothing to blame in the metrics", async () => {
    const { scene, address, token } = await serve();
    await scene.leak();
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(`http://${address}/metrics`, { headers });
    expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
    const checked = await promtool(["check", "metrics"], await response.text());
    expect(checked).toEqual({ code: 0, out: "" });
    await scene.end();
  }, 60_000);

  test("counts an OOM, who was killed and how long it took", async () => {
    const prometheus = Scraper.next();
    const { scene } = await serve(...prometheus.target);
    const guard = scene.group.path.split("/").at(-1) ?? "";
    await prometheus.value('reprieve_incidents_total{outcome="relieved"}', 0);
    const limit = memory.limitFor(LIMIT);
    await prometheus.value(`reprieve_guard_limit_bytes{guard="${guard}"}`, limit);
    await prometheus.value('reprieve_helper_up{role="handler"}', 1);
    await scene.leak();
    await prometheus.value('reprieve_incidents_total{outcome="relieved"}', 1);
    await prometheus.value(`reprieve_guard_incidents_total{guard="${guard}"}`, 1);
    await prometheus.value("sum(reprieve_kills_total)", 1);
    await prometheus.value("reprieve_relief_seconds_count", 1);
    await prometheus.value("reprieve_ready", 1);
    await prometheus.noAlert();
    await scene.end();
    await prometheus.alert("ReprieveNotGuarding", "pending");
  }, 120_000);

  test("knows of the agent itself: its clients, its memory, how far behind the recorder is", async () => {
    const prometheus = Scraper.next();
    const { scene, address, token } = await serve(...prometheus.target);
    const isLate = "reprieve_recorder_lag_seconds > bool 5";
    await prometheus.value(isLate, 0);
    const client = new WebSocket(`ws://${address}/feed?token=${token}`);
    await prometheus.value("reprieve_feed_clients", 1);
    client.close();
    await prometheus.value("reprieve_feed_clients", 0);
    const rss = "reprieve_process_resident_memory_bytes";
    await prometheus.value(`${rss} > bool 10e6`, 1);
    await prometheus.value(`${rss} > bool 1e9`, 0);
    const handler = await scene.reprieve.helper("handler");
    kill(handler, "SIGSTOP");
    await prometheus.value(isLate, 1);
    kill(handler, "SIGCONT");
    await prometheus.value(isLate, 0);
    await scene.end();
  }, 120_000);

  test("says when the kernel had to decide", async () => {
    const prometheus = Scraper.next();
    const { scene } = await serve("--delay", "0", ...prometheus.target);
    await prometheus.value('reprieve_incidents_total{outcome="handed-over"}', 0);
    expect((await scene.leak()).closed.outcome).toBe("handed-over");
    await prometheus.alert("ReprieveKernelDecided", "firing");
    await prometheus.value("sum(reprieve_handovers_total)", 1);
    await scene.end();
  }, 120_000);
});

/** Few hosts let a test have an incident that nobody may end. */
describeWith("Prometheus, told", needs, () => {
  test("says when nobody could help, and that it lasts", async () => {
    const prometheus = Scraper.next();
    const { port, send } = await openTold(prometheus.port);
    const of = { v: 1 as const, t: Date.now(), guard: "app" };
    const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
    const usage = { usage_bytes: 1 << 20, limit_bytes: 1 << 20, procs: 1 };
    const incident = { ...of, incident: "app#1" };
    const end = { outcome: "unrelieved" as const, reason: "handler-unseen", faults: 0 };
    send({ ...of, ...rest, type: "armed", cgroup: "/app", powers: [], orders: [] });
    send({ ...of, ...usage, type: "guard", state: "oom" });
    send({ ...incident, type: "incident.opened", cause: "oom" });
    await prometheus.value('reprieve_incidents_total{outcome="unrelieved"}', 0);
    await prometheus.noAlert();
    send({ ...incident, ...end, type: "incident.closed", duration_us: 1_100_000 });
    await prometheus.alert("ReprieveNotRelieved", "firing");
    send({ ...of, ...usage, type: "guard", state: "alarm" });
    await prometheus.value('reprieve_guards{state="alarm"}', 1);
    expect(await prometheus.alerts()).toContain("ReprieveNotRelieved");
    await port.stop();
  }, 120_000);
});

const unended = () => {
  test("says when nobody could help", async () => {
    const prometheus = Scraper.next();
    const { scene } = await serve(...prometheus.target);
    const { board, group, reprieve } = scene;
    await prometheus.value('reprieve_guards{state="alarm"}', 0);
    // Neither may kill it: the handler does not run, and the kernel goes by the score.
    kill(await reprieve.helper("handler"), "SIGSTOP");
    const wrapper = ["sh", "-c", 'echo -1000 > /proc/self/oom_score_adj && exec "$@"', "sh"];
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }, wrapper).ready();
    leaker.go();
    await prometheus.value('reprieve_guards{state="alarm"}', 1);
    await prometheus.alert("ReprieveNotRelieved", "firing");
    kill(leaker.pid, "SIGKILL");
    kill(await reprieve.helper("handler"), "SIGCONT");
    await prometheus.value('reprieve_guards{state="alarm"}', 0);
    await scene.end();
  }, 120_000);
};
describeWith("Prometheus, with a negative score", needs, unended, negativeScore);
