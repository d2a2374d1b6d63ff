// SPDX-License-Identifier: MIT
/** What other orders would have done, by the core's own ranking; real incidents are in test/kernel/replay.test.ts. */
import { describe, expect, test } from "bun:test";
import { replayLines } from "../../src/cli/replay-text.ts";
import { type Replayed, type ReplayOrders, replayOf } from "../../src/cli/replayed.ts";
import type { IncidentStep } from "../../src/feed/protocol.ts";
import type { Frame, Incident } from "../../src/journal/incident.ts";
import { openCore } from "../../src/native/core.ts";
import { weighingOf } from "../../src/native/weighing.ts";
import { plainIncident } from "../helpers/incident.ts";

const MB = 2 ** 20;
const core = openCore();

const NEWEST = [{ order: "KILL", by: "NEWEST", text: "kill=newest" }] as const;

/** pid 1n is started at n; in MB. */
const frame = (t_ms: number, usage: number, held: Readonly<Record<number, number>>): Frame => ({
  t_us: t_ms * 1000,
  usage_bytes: usage * MB,
  processes: Object.entries(held).map(([pid, mb]) => [Number(pid), mb * MB]),
});

const step = (name: string, at_ms: number, pid?: number, mb?: number): IncidentStep => ({
  ...{ v: 1, t: 0, type: "incident.step", guard: "web", incident: "web#1", by: "handler" },
  ...{ step: name, at_us: at_ms * 1000, result: "ok" },
  ...(pid !== undefined && { pid }),
  ...(mb !== undefined && { rss_bytes: mb * MB }),
});

const process = (pid: number) => ({
  ...{ comm: `p${pid}`, uid: 0, start: pid, oom_score_adj: 0 },
  ...{ file_bytes: 0, shmem_bytes: 0, swap_bytes: 0 },
});

/** 100 MB: 60 of the leaker 12, 30 of 11, 8 of 13. */
const INCIDENT: Incident = {
  ...plainIncident,
  limit_bytes: 100 * MB,
  victims: [{ pid: 12, comm: "p12", by: "handler" }],
  steps: [step("chose", 0, 12, 60), step("kill", 0, 12, 60), step("victim-dead", 9, 12)],
  frames: [
    frame(-5000, 50, { 11: 30, 12: 10, 13: 8 }),
    frame(-1000, 78, { 11: 30, 12: 40, 13: 8 }),
    frame(-400, 90, { 11: 30, 12: 50, 13: 8 }),
    frame(-100, 100, { 11: 30, 12: 60, 13: 8 }),
    frame(10, 40, { 11: 30, 13: 8 }),
  ],
  processes: { 11: process(11), 12: process(12), 13: process(13) },
};

function replayed(incident: Incident, more: Partial<ReplayOrders> = {}) {
  const plain = { by: "guard a", weigh: [], when: "at-oom", marginBytes: undefined } as const;
  const orders = [{ order: "KILL", text: "kill" }] as const;
  const wanted: ReplayOrders = { ...plain, orders, mayKill: true, killsMost: 32, ...more };
  const weighing = wanted.weigh?.length ? weighingOf(wanted.weigh) : null;
  const one = replayOf(incident, wanted, (processes, by) => core.replay(processes, by, weighing));
  const kills = one.kills.map(({ pid, at_us }) => [pid, at_us / 1000]);
  return { one, kills, lines: replayLines(one) };
}

describe("one kill", () => {
  test("that was the real one is enough", () => {
    const { one, kills, lines } = replayed(INCIDENT);
    expect(kills).toEqual([[12, 0]]);
    expect(one.left).toEqual({ processes: 2, usage_bytes: 40 * MB, grown_bytes: 0 });
    expect(one.hand_over_us).toBeNull();
    expect(lines.slice(2)).toEqual([
      "replay  p12 12, 60.0 MiB, would have been killed at the event",
      "left    2 processes, 40.0 MiB of 100.0 MiB",
      "really  p12 12",
    ]);
  });

  test("of another: how soon it is full again is said, and that less was freed", () => {
    const { one, kills, lines } = replayed(INCIDENT, { orders: NEWEST });
    expect(kills).toEqual([[13, 0]]);
    expect(one.left).toEqual({ processes: 2, usage_bytes: 92 * MB, grown_bytes: 20 * MB });
    expect(lines.slice(3, 6)).toEqual([
      "left    2 processes, 92.0 MiB of 100.0 MiB",
      "        in the second before they grew by 20.0 MiB: at that pace full again 400.0 ms later",
      "        60.0 MiB were really freed: whether less is enough is not known",
    ]);
  });

  test("without its power is named, and frees nothing", () => {
    const { one, lines } = replayed(INCIDENT, { mayKill: false });
    expect(one).toMatchObject({ would: "observe", victim: { pid: 12 }, kills: [] });
    expect(one.left.usage_bytes).toBe(100 * MB);
    expect(lines[2]).toContain("would have been named");
  });
});

describe("further kills", () => {
  test("come where what was recorded, less what was freed, is over the limit", () => {
    // The others grew behind the event, where 12 had left room.
    const grown = { ...INCIDENT, frames: [...INCIDENT.frames, frame(20, 70, { 11: 60, 13: 8 })] };
    const { kills, one } = replayed(grown, { orders: NEWEST });
    expect(kills).toEqual([
      [13, 0],
      [12, 20],
    ]);
    expect(one.left).toMatchObject({ processes: 1, usage_bytes: 62 * MB });
  });

  test("come where so much was freed in vain", () => {
    const steps = [
      ...[step("chose", 0, 11, 30), step("kill", 0, 11, 30), step("chose", 30, 12, 60)],
      ...[step("kill", 30, 12, 60), step("victim-dead", 35, 12)],
    ];
    const twice = { ...INCIDENT, steps };
    const newest = replayed(twice, { orders: NEWEST });
    expect(newest.kills).toEqual([
      [13, 0],
      [12, 30],
    ]);
    expect(newest.lines).toContain(
      "        p12 12, 60.0 MiB, would have been killed 30.0 ms behind it",
    );
    expect(replayed(twice).kills).toEqual([[12, 0]]); // 60 are more than the 30 in vain
  });

  test("by the next order; none is left: the kernel decides", () => {
    const weigh = [{ name: "p12", percent: 0 }];
    const steps = [step("kill", 0, 12, 60), step("kill", 40, 13, 8)];
    const long = { ...INCIDENT, steps };
    const orders = [
      { order: "TERMINATE", text: "terminate" },
      { order: "KILL_GROUP", text: "kill-group" },
    ] as const;
    const { one, kills, lines } = replayed(long, { orders, weigh });
    expect(kills).toEqual([
      [11, 0],
      [13, 40],
    ]);
    expect(one.hand_over_us).toBe(40_000);
    expect(lines).toContain(
      "        no more kills: the kernel would have decided 40.0 ms behind it",
    );
    expect(lines[2]).toContain("of kill-group only the victim is told");
    const capped = replayed(long, { weigh, killsMost: 1 });
    expect(capped.kills).toEqual([[11, 0]]);
    expect(capped.one.hand_over_us).toBe(40_000);
  });

  test("are none behind kill-group=all", () => {
    const { one, lines } = replayed(INCIDENT, {
      orders: [{ order: "KILL_GROUP_ALL", text: "kill-group=all" }],
    });
    expect(one.left).toMatchObject({ processes: 0, usage_bytes: 2 * MB });
    expect(lines[2]).toBe(
      "replay  p12 12, 60.0 MiB, and all others, would have been killed at the event",
    );
  });
});

const dead = [{ pid: 13, comm: "p13", rss_bytes: 8 * MB }];
test.each<[string, Partial<Incident>, Replayed["really_left_to"], string]>([
  ["by us alone", {}, null, "p12 12"],
  ["by the kernel, named", { outcome: "handed-over", kernel_killed: dead }, null, "p12 12, p13 13"],
  [
    "by the kernel, whom its log does not name",
    { outcome: "handed-over" },
    "the kernel",
    "p12 12; left to the kernel, which may have killed others",
  ],
  [
    "by who tells us nothing",
    { reason: "designated", victims: [], ended: dead },
    "the designated handler",
    "p13 13; left to the designated handler, which may have killed others",
  ],
])("what really was: %s", (_, more, left, said) => {
  const { one, lines } = replayed({ ...INCIDENT, ...more });
  expect(one.really_left_to).toBe(left);
  expect(lines.at(-1)).toBe(`really  ${said}`);
});

test("before the limit: at the first look with less than the margin, and again when it is there", () => {
  const { one, kills } = replayed(INCIDENT, {
    when: "before",
    marginBytes: 15 * MB,
    orders: NEWEST,
  });
  expect(one.mark_bytes).toBe(85 * MB);
  expect(kills).toEqual([
    [13, -400],
    [12, -100],
  ]);
});

test("what comes of another order is not known, be it one of which only the name was kept", () => {
  const orders = [
    { text: "raise" },
    { order: "RECLAIM", text: "reclaim" },
    { order: "KILL", text: "kill" },
  ] as const;
  const { one, kills, lines } = replayed(INCIDENT, { orders });
  expect(one.untold).toEqual(["raise", "reclaim"]);
  expect(lines[1]).toBe("orders  raise, reclaim, kill; by guard a");
  expect(lines[2]).toContain("raise goes first: what comes of it is not known");
  expect(kills).toEqual([[12, 0]]);
});

test("rules that cannot be heeded are named, one by one; those of the incident's own guard are not known", () => {
  const weigh = [
    { exe: "/opt/\u001b*", percent: 25 },
    { cgroup: "web/*", uid: 7, percent: 400 },
    { name: "p12", percent: 50 },
  ];
  const { one, lines } = replayed(INCIDENT, { weigh });
  expect(one.unheeded_rules).toEqual([
    "avoid exe=/opt/\u001b*,weight=0.25",
    "prefer cgroup=web/*,uid=7,weight=4",
  ]);
  expect(lines[2]).toBe(
    "        avoid exe=/opt/\u{fffd}*,weight=0.25 is left out: programs and groups of processes are not recorded",
  );
  expect(lines[4]).toContain("which counts 0.5 times");
  expect(replayed(INCIDENT, { weigh: undefined }).lines[2]).toContain("--config FILE");
});
