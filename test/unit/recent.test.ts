// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import * as v from "valibot";
import type { Message } from "../../src/feed/protocol.ts";
import { Incident } from "../../src/journal/incident.ts";
import { RecentIncidents } from "../../src/journal/recent.ts";

const at = { v: 1 as const, t: 1000 };

function armed(guard: string): Message {
  const rest = { hierarchy: "v1" as const, delay_ms: 100, margin_bytes: 1, allow_kill: true };
  const powers = { powers: ["kill"], orders: ["kill"] };
  return { ...at, type: "armed", guard, cgroup: `/sys/fs/cgroup/${guard}`, ...rest, ...powers };
}

function incident(guard: string, n: number, t = 1000): Message[] {
  const of = { v: 1 as const, t, guard, incident: `${guard}#${n}` };
  const step = { type: "incident.step" as const, by: "handler" as const, result: "ok", at_us: 5 };
  return [
    { ...of, type: "incident.opened", cause: "oom" },
    { ...of, ...step, step: "chose", pid: 7, comm: "leaker", evidence: "largest" },
    { ...of, ...step, step: "terminate", pid: 7, comm: "leaker" },
    { ...of, ...step, step: "kill", pid: 7, comm: "leaker", rss_bytes: 4096 },
    {
      ...of,
      type: "incident.closed",
      outcome: "relieved",
      reason: "killed",
      duration_us: 9,
      faults: 0,
    },
  ];
}

function journalOf(...messages: Message[]): RecentIncidents {
  const journal = new RecentIncidents("run", { of: (incident) => incident });
  for (const message of messages) journal.accept(message);
  return journal;
}

test("an incident is put together out of its messages", () => {
  const journal = journalOf(armed("a"), ...incident("a", 1));
  const [summary] = journal.list({ limit: 50 }).incidents;
  expect(summary).toMatchObject({ guard: "a", incident: "a#1", outcome: "relieved" });
  expect(summary?.victims).toEqual([{ pid: 7, comm: "leaker", rss_bytes: 4096, by: "handler" }]);
  expect(summary).not.toHaveProperty("steps");
  const whole = v.parse(Incident, journal.get(summary?.id ?? ""));
  expect(whole).toMatchObject({ delay_ms: 100, cause: "oom", rule: "largest", recovered: false });
  expect(whole.steps).toHaveLength(3);
});

test("it has the limit that the group had when it opened", () => {
  const guard = (limit: number): Message => {
    const now = { usage_bytes: 1, procs: 1, state: "near" as const, limit_bytes: limit };
    return { ...at, type: "guard", guard: "a", ...now };
  };
  const [opened, ...rest] = incident("a", 1) as [Message, ...Message[]];
  const journal = journalOf(armed("a"), guard(1), guard(2), opened, guard(3), ...rest);
  const [summary] = journal.list({ limit: 1 }).incidents;
  expect(journal.get(summary?.id ?? "")?.limit_bytes).toBe(2);
});

test("who slept several times in an incident is told once, with all of it", () => {
  const of = { v: 1 as const, t: 1000, guard: "a", incident: "a#1" };
  const step = { type: "incident.step" as const, by: "spare" as const, result: "ok", at_us: 5 };
  const slept = (pid: number, us: number): Message => {
    return { ...of, ...step, step: "slept", pid, comm: "web", slept_us: us };
  };
  const [armedA, opened, ...rest] = [armed("a"), ...incident("a", 1)] as [Message, Message];
  const journal = journalOf(armedA, opened, slept(8, 20), slept(9, 5), slept(8, 30), ...rest);
  const [summary] = journal.list({ limit: 50 }).incidents;
  expect(journal.get(summary?.id ?? "")?.sleepers).toEqual([
    { pid: 8, comm: "web", slept_us: 50 },
    { pid: 9, comm: "web", slept_us: 5 },
  ]);
});

test("a hook that ends behind its incident is added to it", () => {
  const hook = { type: "hook" as const, event: "ended" as const, program: "/bin/x", result: "ok" };
  const journal = journalOf(armed("a"), ...incident("a", 1));
  journal.accept({ ...at, ...hook, guard: "a", incident: "a#1" });
  journal.accept({ ...at, ...hook, guard: "a", incident: "a#2" });
  const { incidents } = journal.list({ limit: 50 });
  expect(incidents).toHaveLength(1);
  expect(journal.get(incidents[0]?.id ?? "")?.hooks).toHaveLength(1);
});

test("an incident whose beginning was lost is left out, and one that is open is not listed", () => {
  const [opened, ...rest] = incident("a", 1) as [Message, ...Message[]];
  expect(journalOf(...rest).list({ limit: 50 }).incidents).toEqual([]);
  expect(journalOf(opened).list({ limit: 50 }).incidents).toEqual([]);
});

test("pages follow one another, and filters hold", () => {
  const all = Array.from({ length: 7 }, (_, i) => incident(i % 2 ? "a" : "b", i, 1000 + i)).flat();
  const journal = journalOf(armed("a"), armed("b"), ...all);
  const seen: string[] = [];
  for (let before: string | undefined; ; ) {
    const page = journal.list({ limit: 3, before });
    seen.push(...page.incidents.map(({ incident }) => incident));
    if (page.next === null) break;
    before = page.next;
  }
  expect(seen).toEqual(["b#6", "a#5", "b#4", "a#3", "b#2", "a#1", "b#0"]);
  const names = (query: object) =>
    journal.list({ limit: 50, ...query }).incidents.map(({ incident }) => incident);
  expect(names({ guard: "a", from: 1002 })).toEqual(["a#5", "a#3"]);
  expect(names({ to: 1002 })).toEqual(["a#1", "b#0"]);
  expect(names({ outcome: "unrelieved" })).toEqual([]);
  expect(names({ before: "nobody" })).toEqual([]);
});

test("no more than 100 are kept, whatever comes", () => {
  const all = Array.from({ length: 1000 }, (_, i) => incident("a", i)).flat();
  const journal = journalOf(armed("a"), ...all);
  expect(journal.state()).toEqual({ ok: true, written: 0, kept_in_memory: 100 });
  expect(journal.list({ limit: 500 }).incidents[0]?.incident).toBe("a#999");
});

test("no more than 4 MiB are kept, and the newest whatever it holds", () => {
  let most = 0;
  const journal = new RecentIncidents("run", {
    // What no compression makes much less of.
    of: (one) => ({ ...one, cause: randomBytes(most).toString("base64") }),
  });
  const play = (n: number) => {
    for (const message of incident("a", n)) journal.accept(message);
    return journal.list({ limit: 500 }).incidents.map((one) => one.incident);
  };
  most = 1 << 20;
  for (let n = 0; n < 20; n += 1) play(n);
  const kept = play(20);
  expect(kept.length).toBeGreaterThan(2);
  expect(kept.length).toBeLessThan(10);
  expect(kept[0]).toBe("a#20");
  most = 8 << 20;
  expect(play(21)).toEqual(["a#21"]);
}, 30_000);
