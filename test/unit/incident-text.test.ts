// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import {
  incidentLine,
  incidentLines,
  incidentTable,
  sparkline,
} from "../../src/cli/incident-text.ts";
import type { Incident } from "../../src/journal/incident.ts";
import { plainIncident } from "../helpers/incident.ts";

const HOSTILE = "evil\u001b[2J\n";
const SHOWN = "evil\u{fffd}[2J\u{fffd}";

const INCIDENT: Incident = {
  ...plainIncident,
  guard: HOSTILE,
  incident: `${HOSTILE}#1`,
  cgroup: `/${HOSTILE}`,
  victims: [
    { pid: 7, comm: HOSTILE, rss_bytes: 1 << 20, by: "handler" },
    { pid: 8, comm: "b", by: "handler" },
  ],
  frames: [
    { t_us: -59_500_000, usage_bytes: 100, processes: [[7, 100]] },
    { t_us: -500_000, usage_bytes: 800, processes: [[7, 800]] },
    { t_us: 20_000, usage_bytes: 5000, processes: [[7, 5000]] },
  ],
  processes: {
    7: {
      comm: HOSTILE,
      uid: 0,
      start: 1,
      oom_score_adj: 0,
      file_bytes: 0,
      shmem_bytes: 0,
      swap_bytes: 0,
    },
  },
  sleepers: [{ pid: 9, comm: HOSTILE, slept_us: 2100 }],
  recovered: true,
};

describe("an incident in lines", () => {
  test("names of groups and processes cannot steer the terminal", () => {
    const foreign = { ...INCIDENT, id: HOSTILE, powers: [HOSTILE] };
    const text = [incidentLine(foreign), ...incidentLines(foreign)].join("");
    expect(text).not.toContain("\u001b");
    expect(text).not.toContain("\n");
    expect(text.split(SHOWN).length).toBeGreaterThan(5);
  });

  test("one line says when, which, how, and whom", () => {
    const line = incidentLine({ ...INCIDENT, guard: "web" });
    expect(line).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.084 {2}run-0-1 {2}web {2}relieved {2}21\.5 ms/,
    );
    expect(line).toEndWith(`${SHOWN} (7) 1.0 MiB and 1 more`);
  });

  test.each([
    ["handed-over", "deadline", "not known: left to the kernel"],
    ["kernel-first", "burst", "not known: left to the kernel"],
    ["observed", "observing", "not known: left to the kernel"],
    ["relieved", "designated", "not known: left to the designated handler"],
    ["relieved", "hook", "not known: left to the hook"],
    ["relieved", "raised", "nobody was killed"],
    ["exited-by-itself", "no-kill-seen", "nobody was killed"],
  ] as const)("%s (%s), and nobody is named: %s", (outcome, reason, said) => {
    expect(incidentLine({ ...INCIDENT, victims: [], outcome, reason })).toEndWith(said);
  });

  test("who ended in one that was left to others is named", () => {
    const ended = [{ pid: 5, comm: "leak", rss_bytes: 1 << 20 }];
    const one = { ...INCIDENT, victims: [], reason: "designated", ended };
    expect(incidentLine(one)).toEndWith("  leak (5) 1.0 MiB");
    expect(incidentLines(one).join()).toContain("(designated), ended: leak (5)  1.0 MiB");
  });

  test.each([
    [Infinity, /^GUARD +WHEN +OUTCOME +AFTER +KILLED +INCIDENT$/],
    [80, /^GUARD +WHEN +OUTCOME +AFTER +INCIDENT$/],
    [40, /^GUARD +OUTCOME +INCIDENT$/],
  ])("a table %p wide has the ids, and no line is wider", (width, titles) => {
    const all = [INCIDENT, { ...INCIDENT, id: "1234567890-1-12", guard: "g".repeat(50) }];
    const lines = incidentTable(all, { width, height: 24, isColoured: false });
    expect(lines[0]).toMatch(titles);
    expect(lines[1]).toContain("run-0-1");
    expect(lines[2]).toEndWith("1234567890-1-12");
    for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width);
    expect(lines.join("")).not.toContain("\u001b");
  });

  test.each([40, 60])("the minute before fits %p columns", (width) => {
    const lines = incidentLines(INCIDENT, width);
    const drawn = lines.filter((line) => /^[▁▂▃▄▅▆▇█]/.test(line));
    expect(drawn).toHaveLength(2);
    for (const line of drawn) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width);
  });

  test("of the minute before what is known, and nothing of what came after", () => {
    const lines = incidentLines(INCIDENT);
    const usage = lines.find((line) => line.endsWith("800 B in all"));
    expect(usage).toStartWith(`${"▂".repeat(59)}█ `);
    expect(lines).toContain(`${SHOWN} (9) slept in the OOM for 2.1 ms`);
    expect(lines.join()).toContain("written by a later reprieve");
  });

  test("whose end nobody saw is said to be so", () => {
    const lines = incidentLines({ ...INCIDENT, guard: "web", outcome: "unknown", frames: [] });
    expect(lines).toContain("web: nobody saw its end");
    expect(lines.join()).not.toContain("minute");
  });
});

test("a sparkline goes from nothing to the most, and may be all zero", () => {
  expect(sparkline([0, 1, 4, 8])).toBe("▁▂▅█");
  expect(sparkline([0, 0])).toBe("▁▁");
});
