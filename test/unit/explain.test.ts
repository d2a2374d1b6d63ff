// SPDX-License-Identifier: MIT
/** What `explain` says of a group: an explanation as lines, the rule that decides, the keys of powers. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { explanationLines, shortLine, WHY } from "../../src/cli/explain-text.ts";
import type { Explanation, ProcessTold } from "../../src/cli/explanation.ts";
import { Order, POWERS, textOf } from "../../src/cli/order.ts";
import { policyOf } from "../../src/config/policy.ts";
import { ConfigSchema } from "../../src/config/schema.ts";
import { why } from "../../src/native/layout.ts";

const MB = 2 ** 20;

function told(pid: number, comm: string, megabytes: number, brought = 0): ProcessTold {
  return {
    pid,
    comm,
    uid: 0,
    score_bytes: (megabytes - brought) * MB,
    weight: 1,
    anon_bytes: megabytes * MB,
    brought_bytes: brought * MB,
    grown_bytes: 3 * MB,
    age_s: 9,
  };
}

const explanation: Explanation = {
  v: 1,
  cgroup: "/tenants/web",
  reprieve: 4711,
  designated: null,
  state: "near",
  config: "/etc/reprieve/reprieve.toml",
  why_not: null,
  rules: [
    { guard: "web", pattern: "/tenants/web", decides: true, why: "the most specific" },
    { guard: "all", pattern: "/tenants/*", decides: false, why: "the first has more characters" },
  ],
  differs: ["delay"],
  delay_ms: 200,
  margin_bytes: 16 * MB,
  when: "at-oom",
  usage_bytes: 300 * MB,
  limit_bytes: 512 * MB,
  raised_bytes: 64 * MB,
  orders: [
    {
      order: "raise=64M:256M",
      power: "limits",
      acts: true,
      by: "[allow] limits = true",
      bound_ms: 10,
    },
    {
      order: "kill",
      power: "kill",
      acts: false,
      by: '[deny] kill = "/tenants/web"',
      bound_ms: null,
    },
  ],
  caps: { incident: 1, hour: 3, hour_kills: 2, host_hour: 20, host_hour_kills: 5 },
  processes: 17,
  unseen: { groups: 2, processes: 3, bytes: MB / 2 },
  whole: [],
  by: "largest",
  candidates: [told(12, "java", 200), told(11, "\u001b[2Jnode", 90, 20)],
  more_candidates: 4,
  others: [
    { why: "unkillable", processes: 1, first: told(9, "sshd", 5) },
    { why: "small", processes: 8, first: told(8, "sh", 0) },
  ],
  asked: { pid: 9, comm: "sshd", why: "unkillable", place: null },
};

describe("explanationLines()", () => {
  test("tell of the asked one, the rule, the orders as they stand, candidates and others", () => {
    expect(`\n${explanationLines(explanation).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      sshd (9) in /tenants/web would not be killed: oom_score_adj is -1000

      /tenants/web  300.0 MiB of 512.0 MiB, guarded by reprieve 4711, near
        config        /etc/reprieve/reprieve.toml
        decides       guard web, /tenants/web: the most specific
        not           guard all, /tenants/*: the first has more characters
        differs       delay: it was started otherwise than the file says
        delay         200 ms, margin 16.0 MiB
        orders        1. raise=64M:256M, waits 10 ms ([allow] limits = true)
                      2. kill, only observed ([deny] kill = "/tenants/web")
        raised        by 64.0 MiB now
        caps          1 in an incident, 3 in an hour here (2 so far), 20 in an hour by all guards (5 so far)
        killed        the largest first, of 17 processes:
                       1. java (12)  200.0 MiB
                       2. �[2Jnode (11)  70.0 MiB = 90.0 MiB - 20.0 MiB brought along
                      and 4 more
        not killed    sshd (9): oom_score_adj is -1000
                      sh (8) and 7 more: less than 1.0 MiB of anonymous memory
                      2 child groups beyond the first 32 are not looked at
                      3 processes of other pid namespaces are not seen
      "
    `);
  });

  test("of a group that a run would leave alone say why", () => {
    const { asked, ...rest } = explanation;
    const none = { ...rest, reprieve: null, state: null, asked: null, rules: [], candidates: [] };
    const lines = explanationLines({ ...none, limit_bytes: null, why_not: "it has no limit" });
    expect(lines[0]).toBe(
      "/tenants/web  300.0 MiB no limit, not guarded now: what a run with this config would do",
    );
    expect(lines[1]).toBe("  not guarded   it has no limit");
    expect(lines.join("\n")).toContain("nobody of 17 processes: the kernel would decide");
  });

  test.each([
    ["newest", "the newest first", "200.0 MiB, 9 s old"],
    ["fastest", "who grows fastest first", "200.0 MiB, 3.0 MiB more in the last second"],
    ["weight", "the heaviest by prefer and avoid first", "200.0 MiB"],
  ])("of orders that take the %s say so, and by what", (by, title, score) => {
    const lines = explanationLines({ ...explanation, by });
    expect(lines.join("\n")).toContain(`${title}, of 17 processes:`);
    expect(lines.find((line) => line.includes("java"))).toEndWith(score);
  });

  test("say that the kernel would decide where more is hidden than the largest holds", () => {
    const hidden = { ...explanation, unseen: { ...explanation.unseen, bytes: 201 * MB } };
    const asked = { pid: 11, comm: "node", why: "candidate", place: 2 };
    const lines = explanationLines({ ...hidden, asked });
    expect(lines[0]).toContain("would not be killed: more memory is held by nobody who is seen");
    expect(lines.join("\n")).toContain(
      "201.0 MiB are held by nobody who is seen: the kernel would",
    );
  });

  test("name a designated handler, and groups that go as a whole", () => {
    const more = { designated: { pid: 7, uid: 1000 }, whole: ["/tenants/web/a"] };
    const text = explanationLines({ ...explanation, ...more }).join("\n");
    expect(text).toContain("answered by   process 7 of uid 1000, a designated handler");
    expect(text).toContain("/tenants/web/a goes as a whole: memory.oom.group");
  });

  test("of a candidate say its place", () => {
    const asked = { pid: 11, comm: "node", why: "candidate", place: 2 };
    const [line] = explanationLines({ ...explanation, asked });
    expect(line).toBe("node (11) in /tenants/web would be killed as number 2 of 6");
  });

  test("have a sentence for each word of the core", () => {
    const words = Object.keys(why).map((word) => word.toLowerCase());
    expect(Object.keys(WHY)).toEqual(expect.arrayContaining(words.slice(1)));
  });
});

test("shortLine() is one line, whatever names say", () => {
  const line = shortLine({ ...explanation, cgroup: "/a\nb" });
  expect(line).toBe(
    "/a\u{fffd}b  guard web  near, reprieve 4711  300.0 MiB of 512.0 MiB  raise=64M:256M, kill (observed)  " +
      "first java (12) 200.0 MiB",
  );
});

const HOOK = 'hook=/a -b "c d" "" "\\"e\\"" \\f';

test.each([
  "kill",
  "raise=64M:256M",
  "raise=1500",
  "kill-group=all",
  "hand-over",
  "move=/a/b",
  HOOK,
])("textOf() gives %s as it was given", (text) => {
  expect(textOf(v.parse(Order, text))).toBe(text);
});

describe("rulesOf()", () => {
  const rulesOf = (path: string, ...guard: object[]) => {
    const named = guard.map((one, index) => ({ name: `g${index}`, ...one }));
    const rules = policyOf(v.parse(ConfigSchema, { guard: named })).rulesOf(path);
    return rules.map(({ guard, pattern, except }) => [guard.name, pattern, except]);
  };

  test("has each guard that matches once, by its most specific pattern, the decider first", () => {
    expect(rulesOf("/t/web", { cgroup: ["/**", "/t/*"] }, { cgroup: "/t/web" }, { cgroup: "/x" }))
      // biome-ignore format: a table
      .toEqual([
      ["g1", "/t/web", undefined],
      ["g0", "/t/*", undefined],
    ]);
  });

  test("says which exception leaves the group alone", () => {
    expect(rulesOf("/t/web", { cgroup: "/t/*", except: ["/x", "/t/w*"] })).toEqual([
      ["g0", "/t/*", '"/t/w*"'],
    ]);
  });
});

describe.each(POWERS)("keyOf() of the power %s", (power) => {
  test.each([
    [{}, `[allow] ${power} does not name it`],
    [{ allow: { [power]: true } }, `[allow] ${power} = true`],
    [{ allow: { [power]: ["/x", "/a"] } }, `[allow] ${power} = "/a"`],
    [{ allow: { [power]: true }, deny: { [power]: "/*" } }, `[deny] ${power} = "/*"`],
  ])("%j", (tables, key) => {
    const guard = [{ name: "a", cgroup: "/**" }];
    expect(policyOf(v.parse(ConfigSchema, { guard, ...tables })).keyOf(power, "/a")).toBe(key);
  });

  test("names the flag that grants it", () => {
    const config = v.parse(ConfigSchema, { guard: [{ name: "a", cgroup: "/**" }] });
    expect(
      policyOf(config, (one) => (one === power ? "--allow" : undefined)).keyOf(power, "/a"),
    ).toBe(`--allow-${power}`);
  });
});
