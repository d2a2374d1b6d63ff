// SPDX-License-Identifier: MIT
/** The pure parts of the page: figures, addresses, words, which rows in which order, what is stacked on what. */
import { describe, expect, test } from "bun:test";
import { kebab } from "../../src/agent/incidents.ts";
import * as layout from "../../src/native/layout.ts";
import { duration, micros, shareOf, size, span } from "../../src/page/format.ts";
import { guardLink, incidentLink, queryLink, routeOf } from "../../src/page/route.ts";
import { edgesOf, stackOf } from "../../src/page/stack.ts";
import { Store } from "../../src/page/store.ts";
import { fieldsOf, selected, wantedOf } from "../../src/page/table.ts";
import type { Frame, Message, Row } from "../../src/page/types.ts";
import { causeOf, evidenceOf, reasonOf, stepWord } from "../../src/page/words.ts";

describe("figures", () => {
  test("have three digits", () => {
    expect([0, 1023, 1024, 67_108_864, 1_572_864_000].map(size)).toEqual([
      "0 B",
      "1023 B",
      "1.00 KiB",
      "64.0 MiB",
      "1.46 GiB",
    ]);
    expect([118, 2443, 61_000_000, 600_000_000].map(duration)).toEqual([
      "118 µs",
      "2.44 ms",
      "61.0 s",
      "10 min",
    ]);
    expect(micros(1_023_269)).toBe("1\u{2009}023\u{2009}269");
    expect([4000, 120_000, 7_200_000, 200_000_000].map(span)).toEqual([
      "4 s",
      "2 min",
      "2 h",
      "2 d",
    ]);
  });

  test("of a group without a limit there is no share", () => {
    expect(shareOf(5, null)).toBeUndefined();
    expect(shareOf(5, 10)).toBe(0.5);
    expect(shareOf(15, 10)).toBe(1);
  });
});

describe("routeOf()", () => {
  test("reads what the links say, of hostile names too", () => {
    for (const name of ["a/b", "100%", "?q=1#x", "\u202egnp", "<img>", "a b+c"]) {
      expect(routeOf(guardLink(name))).toEqual({ view: "guard", name });
      expect(routeOf(incidentLink(name))).toEqual({ view: "incident", id: name });
    }
    const query = queryLink("incidents", { guard: "a&b", outcome: "" });
    const route = routeOf(query);
    expect(route.view === "incidents" && [...route.query]).toEqual([["guard", "a&b"]]);
  });

  test("shows the guards where nothing is asked for, and nothing where nonsense is", () => {
    expect(routeOf("").view).toBe("guards");
    expect(routeOf("#/").view).toBe("guards");
    expect(routeOf("#/guards").view).toBe("guards");
    expect(routeOf("#/nowhere").view).toBe("unknown");
    expect(routeOf("#/guards/%E0%A4%A").view).toBe("unknown");
  });
});

describe("words", () => {
  const named = (values: Readonly<Record<string, number>>) => Object.keys(values).map(kebab);

  test("there are some for every step, reason, cause and evidence of the core", () => {
    const inNoIncident = ["opened", "closed", "designated", "resigned", "mended"];
    const noWords = ["child-reset", "child-left", ...inNoIncident];
    for (const step of named(layout.step)) {
      if (!noWords.includes(step)) expect(stepWord(step)).not.toBe(step.replaceAll("-", " "));
    }
    for (const reason of named(layout.reason).filter((name) => name !== "none")) {
      expect(reasonOf(reason)).not.toBe(reason.replaceAll("-", " "));
    }
    for (const cause of named(layout.cause)) expect(causeOf(cause)).not.toBe(cause);
    for (const evidence of named(layout.evidence)) expect(evidenceOf(evidence)).not.toBe(evidence);
  });

  test("what is not known is shown as it is", () => {
    expect(stepWord("new-step")).toBe("new step");
    expect(reasonOf("new-reason")).toBe("new reason");
  });
});

function row(guard: string, fields: Partial<Row> = {}): Row {
  return {
    guard,
    cgroup: `/${guard}`,
    hierarchy: "v1",
    state: "quiet",
    usage_bytes: 10,
    limit_bytes: 100,
    procs: 1,
    delay_ms: 100,
    margin_bytes: 10,
    when: "at-oom",
    orders: ["kill"],
    powers: ["kill"],
    handler: "own",
    pressure: null,
    incident: null,
    last: undefined,
    ...fields,
  };
}

describe("selected()", () => {
  const rows = [
    row("b", { usage_bytes: 50, last: { id: "x", outcome: "relieved", t: 5 } }),
    row("a", { usage_bytes: 20, powers: [] }),
    row("web/1", { state: "oom", procs: 7 }),
    row("web/2", { state: "near", limit_bytes: null, handler: "designated" }),
  ];
  const names = (query: string) =>
    selected(rows, wantedOf(new URLSearchParams(query))).map(({ guard }) => guard);

  test("has trouble first, then who is fullest", () => {
    expect(names("")).toEqual(["web/1", "web/2", "b", "a"]);
  });

  test("sorts by any column, either way", () => {
    expect(names("sort=guard")).toEqual(["a", "b", "web/1", "web/2"]);
    expect(names("sort=guard&dir=desc")).toEqual(["web/2", "web/1", "b", "a"]);
    expect(names("sort=usage")).toEqual(["b", "a", "web/1", "web/2"]);
    expect(names("sort=procs")[0]).toBe("web/1");
    expect(names("sort=last")[0]).toBe("b");
    expect(names("sort=limit")[0]).toBe("web/2");
  });

  test("filters by every word, wherever it is, and by chip", () => {
    expect(names("q=web")).toEqual(["web/1", "web/2"]);
    expect(names("q=WEB+designated")).toEqual(["web/2"]);
    expect(names("q=web+nothing")).toEqual([]);
    expect(names("show=observing")).toEqual(["a"]);
    expect(names("show=trouble")).toEqual(["web/1"]);
  });

  test("what is the default is not in the address", () => {
    const again = (query: string) => {
      return queryLink("guards", fieldsOf(wantedOf(new URLSearchParams(query))));
    };
    expect(again("sort=state&dir=asc&show=all")).toBe("#/guards");
    expect(again("sort=usage&dir=asc&q=a")).toBe("#/guards?q=a&sort=usage&dir=asc");
    expect(again("sort=nonsense&show=nonsense")).toBe("#/guards");
  });
});

describe("stackOf()", () => {
  const frame = (s: number, usage: number, ...processes: [number, number][]): Frame => ({
    t_us: s * 1e6,
    usage_bytes: usage,
    processes,
  });

  test("steady below, grown above, victims on top, and what is nobody's as the ground", () => {
    const frames = [
      frame(-2, 100, [1, 10], [2, 40], [3, 5]),
      frame(-1, 130, [1, 10], [2, 41], [3, 30]),
      frame(0, 140, [1, 20], [2, 41], [4, 12]),
    ];
    const stack = stackOf(frames, new Set([1]));
    expect(stack.layers.map(({ key }) => key)).toEqual(["rest", "2", "4", "3", "1"]);
    expect(stack.layers.map(({ values }) => values)).toEqual([
      [45, 49, 67],
      [40, 41, 41],
      [0, 0, 12],
      [5, 30, 0],
      [10, 10, 20],
    ]);
    expect(edgesOf(stack).at(-1)).toEqual(stack.usage as number[]);
  });

  test("of many processes the smaller ones are one layer, and a victim never is", () => {
    const many = Array.from({ length: 50 }, (_, n): [number, number] => [n + 1, 100 + n]);
    const stack = stackOf([frame(0, 10_000, ...many, [99, 1])], new Set([99]));
    expect(stack.layers.map(({ kind }) => kind)).toEqual([
      "rest",
      "others",
      ...new Array<"process">(8).fill("process"),
    ]);
    expect(stack.layers.at(-1)?.pid).toBe(99);
  });

  test("of no frames there is nothing", () => {
    expect(stackOf([], new Set()).times).toEqual([]);
  });
});

describe("Store", () => {
  const store = () => new Store(() => {});
  const stamp = { v: 1, t: 1000 } as const;
  const armed: Extract<Message, { type: "armed" }> = {
    ...stamp,
    type: "armed",
    guard: "a",
    cgroup: "/a",
    hierarchy: "v1",
    delay_ms: 100,
    margin_bytes: 1,
    allow_kill: true,
    powers: ["kill"],
    orders: ["kill"],
  };
  const guard = { ...stamp, type: "guard", guard: "a", limit_bytes: 100, procs: 2 } as const;
  const view = { ...row("a"), usage_bytes: 1, last: undefined };

  test("makes rows of the feed alone", () => {
    const one = store();
    one.accept(armed);
    one.accept({ ...guard, usage_bytes: 50, state: "near" });
    const { state, usage_bytes, when, cgroup } = one.rows.get("a") ?? row("none");
    expect({ state, usage_bytes, when, cgroup }).toEqual({
      state: "near",
      usage_bytes: 50,
      when: "at-oom",
      cgroup: "/a",
    });
    one.accept({ ...guard, usage_bytes: 0, state: "gone" });
    expect(one.rows.size).toBe(0);
  });

  test("an incident's reprieve runs from its event until it is closed", () => {
    const one = store();
    one.accept(armed);
    const of = { ...stamp, guard: "a", incident: "a#1", id: "x-1" } as const;
    one.accept({ ...of, type: "incident.opened", opened_t: 900, cause: "oom" });
    expect(one.rows.get("a")?.incident?.deadline_t).toBe(1000);
    const end = { outcome: "relieved", reason: "killed", duration_us: 9, faults: 0 } as const;
    one.accept({ ...of, ...end, type: "incident.closed" });
    expect(one.rows.get("a")?.incident).toBeNull();
    expect(one.rows.get("a")?.last?.id).toBe("x-1");
    expect(one.said).toBe("a: relieved");
  });

  test("what the feed has told since the API was asked is newer than its answer", () => {
    const one = store();
    one.accept(armed);
    one.accept({ ...armed, guard: "b" });
    const asked = new Map(one.rows);
    one.accept({ ...guard, usage_bytes: 77, state: "near" });
    one.fill({ t: 5, guards: [view] }, asked);
    expect([...one.rows.keys()]).toEqual(["a"]); // "b" is gone since the agent was started anew
    expect(one.rows.get("a")?.usage_bytes).toBe(77);
    one.fill({ t: 5, guards: [view] }, new Map(one.rows));
    expect(one.rows.get("a")?.usage_bytes).toBe(1);
  });

  test("what concerns no guard is as was told last, by the feed or by the API; another agent may have told nothing", () => {
    const one = store();
    const full = { v: 1, t: 10, type: "journal", ok: false, remark: "full" } as const;
    one.fill({ t: 20, guards: [], journal: full }, new Map());
    expect(one.journalRemark).toBe("full");
    one.accept({ ...full, t: 30, ok: true });
    one.fill({ t: 25, guards: [], journal: full }, new Map()); // asked before that
    expect(one.journalRemark).toBeUndefined();
    const low = { v: 1, t: 40, type: "system", event: "low", available_bytes: 1 } as const;
    one.accept({ ...low, result: "ok" });
    one.fill({ t: 35, guards: [] }, new Map());
    expect(one.host?.event).toBe("low");
    one.fill({ t: 50, guards: [] }, new Map());
    expect(one.host).toBeUndefined();
  });
});
