// SPDX-License-Identifier: MIT
/** What `rehearse` says that a guard would do: each order after the one before has brought no relief. */
import { describe, expect, test } from "bun:test";
import type { Explanation, OrderTold } from "../../src/cli/explanation.ts";
import { type Facts, rehearsalLines, rehearsalOf } from "../../src/cli/rehearsal.ts";

const MB = 2 ** 20;

function told(pid: number, comm: string, megabytes: number) {
  const score_bytes = megabytes * MB;
  const anon_bytes = score_bytes;
  return {
    pid,
    comm,
    uid: 0,
    score_bytes,
    weight: 1,
    anon_bytes,
    brought_bytes: 0,
    grown_bytes: 0,
    age_s: 9,
  };
}

const [job, web] = [told(12, "job\u001b[2J", 200), told(11, "web", 90)];

function ordered(order: string, more: Partial<OrderTold> = {}): OrderTold {
  return { order, power: "kill", acts: true, by: "[allow] kill = true", bound_ms: 50, ...more };
}

function explanation(...orders: OrderTold[]): Explanation {
  return {
    ...{ v: 1, cgroup: "/web", reprieve: null, state: null, config: null, why_not: null },
    ...{ rules: [], differs: [] },
    ...{
      delay_ms: 100,
      when: "at-oom",
      margin_bytes: 16 * MB,
      usage_bytes: 300 * MB,
      limit_bytes: 512 * MB,
    },
    raised_bytes: 0,
    orders: orders.map((one, index) =>
      index === orders.length - 1 ? { ...one, bound_ms: null } : one,
    ),
    caps: { incident: 32, hour: null, hour_kills: 0, host_hour: null, host_hour_kills: 0 },
    processes: 3,
    unseen: { groups: 0, processes: 0, bytes: 0 },
    whole: [],
    designated: null,
    by: "largest",
    candidates: [job, web],
    ...{ more_candidates: 0, others: [], asked: null },
  };
}

const facts: Facts = {
  patience: 1,
  victim: job,
  choice_us: 24,
  scan_us: 160,
  pids: [10, 11, 12],
  children: [
    { cgroup: "/web/a", pids: [11], bytes: 95 * MB },
    { cgroup: "/web/b", pids: [12], bytes: 210 * MB },
  ],
  reclaimableBytes: 4 * MB,
  whyNot: () => undefined,
};

test("rehearsalLines() tell of each order, when it comes, and what would be left", () => {
  const limits = { power: "limits", by: "[allow] limits does not name it" } as const;
  const one = explanation(
    ordered("raise=4M:8M", { ...limits, acts: false, bound_ms: 10 }),
    ordered("reclaim", { ...limits, bound_ms: 25 }),
    ordered("freeze", { bound_ms: 10 }),
    ordered("move=/spill", { power: "move", bound_ms: 35 }),
    ordered("hook=/bin/tell me", { power: "hooks", bound_ms: 5 }),
    ordered("kill-group"),
    ordered("kill"),
  );
  expect(`\n${rehearsalLines(rehearsalOf(one, facts)).join("\n")}\n`).toMatchInlineSnapshot(`
    "
    /web  300.0 MiB of 512.0 MiB: an OOM now, and nothing is done
          0 ms  raise=4M:8M: would raise the limit by 4.0 MiB to 516.0 MiB, and does not: only observed ([allow] limits does not name it)
          0 ms  reclaim: reclaim up to 16.0 MiB; 296.0 MiB and 3 processes left
         25 ms  freeze: freeze /web/b
         35 ms  move=/spill: move job�[2J (12) to /spill
         70 ms  hook=/bin/tell me: run /bin/tell
         75 ms  kill-group: kill /web/b whole, 1 process; 86.0 MiB and 2 processes left
        100 ms  kill: kill web (11), 90.0 MiB; 0 B and 1 process left
        100 ms  the kernel decides, if there is still no relief
      the victim was chosen in 24 us among 3 processes, after a look of 160 us
    "
  `);
});

describe("rehearsalOf()", () => {
  const steps = (one: Explanation, more: Partial<Facts> = {}) =>
    rehearsalOf(one, { ...facts, ...more }).steps;

  test("has kill take the next when the first is dead", () => {
    const [group, kill] = steps(explanation(ordered("kill-group"), ordered("kill")));
    expect(group).toMatchObject({ at_ms: 0, left_bytes: 90 * MB, left_processes: 2 });
    expect(kill).toMatchObject({ at_ms: 50, left_bytes: 0, left_processes: 1 });
    expect(kill?.does).toContain("web (11)");
  });

  test("says whom a kill is followed by, unless one is the cap", () => {
    const one = explanation(ordered("kill"));
    expect(steps(one)[0]?.does).toContain("and 50 ms later web (11)");
    expect(steps(one, { patience: 4 })[0]?.does).toContain("and 200 ms later web (11)");
    const capped = { ...one, caps: { ...one.caps, incident: 1 } };
    expect(steps(capped)[0]?.does).not.toContain("later");
  });

  test.each([
    ["kill", { victim: null }, {}, "no process that may be killed holds 1.0 MiB"],
    ["move=/x", { victim: null }, {}, "no process that may be killed holds 1.0 MiB"],
    ["kill-group", { children: [] }, {}, "the victim lives in no child"],
    ["freeze", { children: [] }, {}, "there is no child with memory of its own"],
    [
      "reclaim",
      { whyNot: () => "this kernel has no memory.reclaim" },
      {},
      "this kernel has no memory.reclaim",
    ],
    ["kill", {}, { hour: 2, hour_kills: 2 }, "the cap of an hour is reached"],
    [
      "kill-group=all",
      {},
      { host_hour: 2, host_hour_kills: 3 },
      "the cap of all guards is reached",
    ],
  ] as const)("%s does nothing where it cannot", (order, more, caps, why) => {
    const one = explanation(ordered(order), ordered("raise=1M"));
    const [first, last] = steps({ ...one, caps: { ...one.caps, ...caps } }, more);
    expect(first).toMatchObject({ why_not: why, frees_bytes: 0, left_bytes: 300 * MB });
    // It is left at once.
    expect(last?.at_ms).toBe(0);
  });

  test("has the kernel decide at once behind those before the hand-over", () => {
    const handOver = ordered("hand-over", { power: null, by: "it takes no power" });
    const one = rehearsalOf(explanation(ordered("kill"), handOver), facts);
    expect(one.steps.at(-1)).toMatchObject({ at_ms: 50, why_not: null, frees_bytes: 0 });
    expect(one.hand_over_ms).toBe(50);
  });

  test("raises by no more than is left of the most", () => {
    const one = explanation(ordered("raise=4M:6M"));
    expect(steps({ ...one, raised_bytes: 4 * MB })[0]?.does).toStartWith(
      "raise the limit by 2.0 MiB",
    );
  });

  test("ends everybody with kill-group=all", () => {
    expect(steps(explanation(ordered("kill-group=all")))[0]).toMatchObject({
      left_bytes: 0,
      left_processes: 0,
    });
  });
});
