// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { Present } from "../../src/feed/present.ts";
import type { Message } from "../../src/feed/protocol.ts";
import { Metrics } from "../../src/http/metrics.ts";

const at = { v: 1 as const, t: 1000 };

function armed(guard: string): Message {
  const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
  return { ...at, type: "armed", guard, cgroup: `/${guard}`, ...rest, powers: [], orders: [] };
}

function incident(guard: string, outcome: "relieved" | "handed-over", reliefUs: number): Message[] {
  const of = { ...at, guard, incident: `${guard}#1` };
  const step = { type: "incident.step" as const, by: "handler" as const, result: "ok" };
  const end = { reason: "killed", duration_us: 90_000, faults: 0 };
  return [
    { ...of, type: "incident.opened", cause: "oom" },
    { ...of, ...step, step: "kill", pid: 1, at_us: 100 },
    { ...of, ...step, step: "kill", pid: 2, at_us: 200, result: "ESRCH" },
    { ...of, ...step, step: "relief", at_us: reliefUs },
    { ...of, type: "incident.closed", outcome, ...end },
  ];
}

function scene(...messages: Message[]) {
  const present = new Present();
  const metrics = new Metrics({
    version: "1",
    present,
    hub: { counts: { clients: 3, dropped: 1 } },
    journal: () => ({ ok: false, written: 7, kept_in_memory: 0 }),
    whyNotReady: () => undefined,
    vitals: () => undefined,
  });
  const say = (...all: Message[]) => {
    for (const message of all) {
      present.accept({ seq: 1, message, line: "" });
      metrics.accept(message);
    }
  };
  say(...messages);
  const text = async () => (await metrics.scrape()).text;
  return { say, text };
}

test("an incident is counted by its outcome, its kills as far as they were made, its relief", async () => {
  const { text } = scene(
    armed("a"),
    ...incident("a", "relieved", 3000),
    ...incident("a", "handed-over", 9000),
  );
  const told = await text();
  expect(told).toContain('reprieve_incidents_total{outcome="relieved"} 1\n');
  expect(told).toContain('reprieve_incidents_total{outcome="unrelieved"} 0\n');
  expect(told).toContain('reprieve_guard_incidents_total{guard="a"} 2\n');
  expect(told).toContain('reprieve_kills_total{by="handler"} 2\n');
  expect(told).toContain('reprieve_relief_seconds_bucket{le="0.0025"} 0\n');
  expect(told).toContain('reprieve_relief_seconds_bucket{le="0.005"} 1\n');
  expect(told).toContain("reprieve_relief_seconds_count 1\n");
  expect(told).toContain("reprieve_feed_clients 3\n");
  expect(told).toContain("reprieve_journal_ok 0\n");
});

test("a name is a label whatever is in it", async () => {
  const { text } = scene(armed('a"b\\c\nd'), ...incident('a"b\\c\nd', "relieved", 1));
  expect(await text()).toContain('reprieve_guard_incidents_total{guard="a\\"b\\\\c\\nd"} 1\n');
});

test("500 guards have series, the others are only counted; who goes makes room", async () => {
  const names = Array.from({ length: 503 }, (_, i) => `g${i}`);
  const guard = (name: string): Message => ({
    ...at,
    type: "guard",
    guard: name,
    usage_bytes: 5,
    limit_bytes: null,
    procs: 1,
    state: "quiet",
  });
  const { say, text } = scene(...names.flatMap((name) => [armed(name), guard(name)]));
  const series = async () => {
    const told = await text();
    const all = told.match(/^reprieve_guard_usage_bytes\{.*$/gm) ?? [];
    return { count: all.length, more: /guards_without_series (\d+)/.exec(told)?.[1], told };
  };
  const { count, more, told } = await series();
  expect([count, more]).toEqual([500, "3"]);
  expect(told).toContain('reprieve_guards{state="quiet"} 503\n');
  say(
    ...names
      .slice(0, 400)
      .map((name) => ({ ...at, type: "released" as const, guard: name, result: "ok" })),
  );
  const after = await series();
  expect([after.count, after.more]).toEqual([103, "0"]);
});

test("who comes and goes leaves no series behind", async () => {
  const { say, text } = scene();
  const before = (await text()).length;
  for (let i = 0; i < 2000; i += 1) {
    const guard = `pod-${i}`;
    say(armed(guard), ...incident(guard, "relieved", 1), {
      ...at,
      type: "released",
      guard,
      result: "ok",
    });
  }
  expect((await text()).length).toBeLessThan(before + 200);
});
