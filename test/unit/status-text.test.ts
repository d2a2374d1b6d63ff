// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import {
  type AgentSeen,
  type GuardSeen,
  guardPart,
  statusPart,
} from "../../src/cli/status-text.ts";
import type { Paper } from "../../src/cli/table.ts";
import type { System } from "../../src/feed/protocol.ts";
import type { GuardView } from "../../src/http/schema.ts";
import type { IncidentSummary } from "../../src/journal/incident.ts";

const HOSTILE = "evil\u001b[2J\n\u202e";
const MB = 2 ** 20;
const ANY: Paper = { width: Infinity, height: Infinity, isColoured: false };

const GUARD: GuardView = {
  guard: "web",
  cgroup: "/sys/fs/cgroup/web",
  hierarchy: "v1",
  state: "quiet",
  usage_bytes: 50 * MB,
  limit_bytes: 100 * MB,
  procs: 3,
  delay_ms: 100,
  margin_bytes: 16 * MB,
  when: "at-oom",
  orders: ["kill"],
  powers: ["kill"],
  handler: "own",
  pressure: null,
  incident: null,
};

const OPEN = { incident: "web#7", opened_t: 1000, deadline_t: 1100 };

const CLOSED: IncidentSummary = {
  ...{ id: "id", guard: "web", incident: "web#6", cgroup: "/web", outcome: "relieved" },
  ...{ reason: "killed", opened_t: 1000, duration_us: 5000, victims: [] },
};

function agent(guards: readonly Partial<GuardView>[], more: Partial<AgentSeen> = {}): AgentSeen {
  const all = guards.map((one) => ({ ...GUARD, ...one }));
  return { pid: 7, url: "unix:/run/x", now: 1016, guards: all, incidents: [], ...more };
}

const statusLines = (agents: readonly AgentSeen[], paper: Paper, from = 0) =>
  statusPart(agents, paper, from).lines;
const guardLines = (seen: GuardSeen, paper: Paper) => guardPart(seen, paper).lines;
const rows = (agents: readonly AgentSeen[], paper = ANY) => statusLines(agents, paper).slice(3);

describe("a guard's row", () => {
  test.each([
    [{}, "web    quiet  █████░░░░░  50.0 MiB  100.0 MiB      3  own"],
    [{ limit_bytes: null }, "web    quiet  50.0 MiB  no limit      3  own"],
    [{ usage_bytes: 200 * MB }, "web    quiet  ██████████  200.0 MiB  100.0 MiB      3  own"],
    [
      { pressure: { some_avg10: 12.34, full_avg10: 1 } },
      "web    quiet  █████░░░░░  50.0 MiB  100.0 MiB      3    12.3 %  own",
    ],
    [
      { state: "oom", incident: OPEN },
      "web    oom    █████░░░░░  50.0 MiB  100.0 MiB      3  own      #7, 84 ms of 100 ms left",
    ],
    [
      { state: "handed", incident: { ...OPEN, deadline_t: 1016 } },
      "web    handed  █████░░░░░  50.0 MiB  100.0 MiB      3  own      #7, its 100 ms are over",
    ],
  ] as const)("%p", (fields, line) => expect(rows([agent([fields])])).toEqual([line]));

  test("is where it belongs: trouble first, then by name, of all reprieves", () => {
    const one = agent([{ guard: "b" }, { guard: "c", state: "near" }]);
    const two = agent([{ guard: "a" }, { guard: "d", incident: OPEN }]);
    const names = statusLines([one, two], ANY)
      .slice(4)
      .map((line) => line[0]);
    expect(names.join("")).toBe("dcab");
  });

  test("t2 comes before t10", () => {
    const lines = rows([agent(["t10", "t2", "t1"].map((guard) => ({ guard })))]);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["t1", "t2", "t10"]);
  });
});

describe("a terminal", () => {
  const guards = Array.from({ length: 30 }, (_, n) => ({
    guard: `tenants/日本語-${"x".repeat(n)}-${n}`,
    incident: OPEN,
    pressure: { some_avg10: 99, full_avg10: 99 },
  }));

  test.each([20, 30, 40, 60, 80, 132, 300])("%p columns wide: no line is wider", (width) => {
    const lines = statusLines([agent(guards)], { ...ANY, width });
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(width);
    expect(lines.at(-1)).toContain("-29");
  });

  test.each([1, 5, 10, 24, 50])("%p lines high: no more lines, and which part it is", (height) => {
    const lines = statusLines([agent(guards)], { ...ANY, height });
    expect(lines.length).toBeLessThanOrEqual(height);
    const shown = lines.filter((line) => line.includes("日本")).length;
    const part = `guards 1 to ${shown} of 30: arrows, PgUp, PgDn, Home, End`;
    if (height > 4 && height < 30) expect(lines).toContain(part);
  });

  test.each([
    [0, 1],
    [7, 8],
    [29, 11],
    [Infinity, 11],
    [-1, 1],
  ])("from row %p on: as many as there are", (from, first) => {
    const many = guards.map((one, n) => ({ ...one, guard: `g${String(n + 1).padStart(2, "0")}` }));
    const part = statusPart([agent(many)], { ...ANY, height: 24 }, from);
    expect(part).toMatchObject({ from: first - 1, shown: 20 });
    expect(part.lines[3]).toStartWith(`g${String(first).padStart(2, "0")} `);
    expect(part.lines.at(-1)).toStartWith(`guards ${first} to ${first + 19} of 30: `);
  });

  test.each([
    [10, 0],
    [24, 2],
    [40, 5],
  ])("%p lines high: last incidents get a fifth, or what is free", (height, count) => {
    const incidents = Array.from({ length: 9 }, (_, n) => ({ ...CLOSED, id: `id-${n}` }));
    const shown = (guards: readonly Partial<GuardView>[]) =>
      statusLines([agent(guards, { incidents })], { ...ANY, height }).filter((one) =>
        one.includes("id-"),
      ).length;
    expect([shown(guards), shown([{}])]).toEqual([count, Math.min(5, height - 6)]);
  });

  test("40 columns: what counts most is whole", () => {
    const narrow = { ...ANY, width: 40 };
    const cgroup = `/sys/fs/cgroup/memory/${"x".repeat(40)}/web`;
    const gone = { since: 0, why: "it ends" };
    const seen = agent([{ cgroup }], {
      incidents: [{ ...CLOSED, guard: "a-long-name-web" }],
      url: `unix:/${"u".repeat(60)}`,
      gone,
    });
    const lines = guardLines({ agent: seen, guard: { ...GUARD, cgroup }, processes: [] }, narrow);
    expect(lines[0]).toStartWith("reprieve 7  GONE since 1970-01-01 ");
    expect(lines[3]).toMatch(/^group {5}…x+\/web$/);
    expect(lines.slice(-2)).toEqual(["LAST OF          OUTCOME", "a-long-name-web  relieved"]);
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBe(40);
    expect(statusLines([{ ...seen, gone: undefined }], narrow)[0]).toStartWith(
      "reprieve 7  1 guard  ",
    );
  });

  test("a wide name takes the place that it takes", () => {
    const [wide = "", narrow = ""] = rows([agent([{ guard: "日本" }, { guard: "e\u0301" }])]).map(
      (line) => line.slice(0, line.indexOf("quiet")),
    );
    expect(Bun.stringWidth(wide)).toBe(Bun.stringWidth(narrow));
  });

  test("is coloured where it helps, and where it is wanted", () => {
    const near = [agent([{ state: "near" }])];
    expect(rows(near, { ...ANY, isColoured: true })[0]).toContain("\u001b[33mnear \u001b[39m");
    expect(rows(near).join("")).not.toContain("\u001b");
    expect(rows([agent([{}])], { ...ANY, isColoured: true }).join("")).not.toContain("\u001b");
  });
});

describe("what concerns no guard is said above", () => {
  const stamp = { v: 1, t: Date.UTC(2026, 10, 30) } as const;
  const system = (event: System["event"], more: Partial<System> = {}): System => ({
    ...{ ...stamp, type: "system", event, available_bytes: 20 * MB, result: "ok" },
    ...more,
  });
  const head = (more: Partial<AgentSeen>, paper = ANY) => statusLines([agent([], more)], paper)[1];

  test.each([
    ["armed", {}, "watching the memory of the host, 20.0 MiB left", false],
    ["low", { cause: "memory" }, "the host: low memory, 20.0 MiB left", true],
    ["kill", { comm: "hog\n", pid: 7 }, "kill  hog\u{fffd} (7)  20.0 MiB left", true],
  ] as const)("the system guard: %p", (event, more, text, isTrouble) => {
    const one = { system: system(event, more) };
    expect(head(one)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/);
    expect(head(one)).toEndWith(`  ${text}`);
    expect(head(one, { ...ANY, isColoured: true })?.includes("\u001b[33m")).toBe(isTrouble);
  });

  test("a journal that cannot be written; not one that can", () => {
    const journal = { ...stamp, type: "journal", ok: false, remark: `${HOSTILE}: full` } as const;
    expect(head({ journal })).toEndWith("\u{fffd}\u{fffd}: full");
    expect(head({ journal: { ...journal, ok: true } })).toBe("");
  });
});

describe("names", () => {
  const incident = { ...OPEN, incident: HOSTILE };
  const hostile = { guard: HOSTILE, cgroup: HOSTILE, orders: [HOSTILE], incident };
  const process = { pid: 8, comm: HOSTILE, uid: 0, anon_bytes: 1 } as const;
  const processes = [{ ...process, file_bytes: 0, shmem_bytes: 0, swap_bytes: 0 }];
  const seen = agent([hostile], { url: HOSTILE, gone: { since: 0, why: HOSTILE } });

  test("cannot steer the terminal", () => {
    const one = { agent: seen, guard: { ...GUARD, ...hostile }, processes };
    const text = [...statusLines([seen], ANY), ...guardLines(one, ANY)].join("");
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.split("evil\u{fffd}[2J\u{fffd}\u{fffd}").length).toBeGreaterThan(7);
  });
});

describe("of one guard", () => {
  const of = (pid: number, anon: number) => ({
    ...{ pid, comm: `p${pid}`, uid: 0, anon_bytes: anon },
    ...{ file_bytes: 0, shmem_bytes: 0, swap_bytes: 0 },
  });

  test("the processes that hold most come first, as many as there is room for", () => {
    const processes = [of(1, 5), of(2, 50), of(3, 20)];
    const seen = { agent: agent([{}]), guard: GUARD, processes };
    const lines = guardLines(seen, { ...ANY, height: 14 });
    expect(lines.at(-1)).toStartWith("processes 1 to 1 of 3: ");
    const all = guardLines(seen, ANY).slice(12);
    expect(all.map((line) => line.slice(0, 2))).toEqual(["p2", "p3", "p1"]);
    expect(lines).toContain("usage     █████░░░░░  50.0 MiB of 100.0 MiB, 3 processes");
  });

  test("that there is none is said, and since when a reprieve is gone", () => {
    const gone = { since: Date.UTC(2026, 10, 30), why: "it ends" };
    const seen = { agent: agent([], { gone }), guard: undefined, processes: [] };
    const lines = guardLines(seen, ANY);
    expect(lines[0]).toMatch(
      /GONE since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, shown as it was: it ends {2}unix:\/run\/x$/,
    );
    expect(lines.at(-1)).toBe("there is no such guard now");
  });
});
