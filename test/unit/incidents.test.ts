// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { HOLD_NS, Incidents, kebab } from "../../src/agent/incidents.ts";
import { Message, OUTCOMES, PROTOCOL_VERSION, STATES } from "../../src/feed/protocol.ts";
import { cause, limit, outcome, reason, state, step } from "../../src/native/layout.ts";
import type { LogRecord } from "../../src/native/region.ts";

const record = (fields: Partial<LogRecord>): LogRecord => ({
  role: "HANDLER",
  sequence: 0,
  tNs: 1_000_000,
  openedNs: 0,
  bytes: 0,
  guard: 0,
  incident: 1,
  step: step.SEEN,
  arg: 0,
  result: 0,
  pid: 0,
  comm: "",
  availableBytes: 0,
  ...fields,
});
const RUN = { run: "k3", wallMs: (tNs: number) => 1000 + tNs / 1e6 };
const opened = record({ step: step.OPENED, arg: cause.OOM });
const closed = record({
  role: "WATCHDOG",
  step: step.CLOSED,
  tNs: 6_000_000,
  arg: (outcome.RELIEVED << 16) | reason.KILLED,
});

describe("Incidents", () => {
  test.each([
    [{}, "ok"],
    [{ arg: 1 }, "exit-1"],
    [{ arg: limit.HOOK_SIGNAL + 9 }, "SIGKILL"],
    [{ result: -110 }, "ETIMEDOUT"],
  ])("a hook %p: %s", (how, result) => {
    const { drafts } = new Incidents(["web"], RUN).accept(
      [opened, record({ step: step.HOOK, ...how })],
      0,
    );
    expect(drafts[1]).toMatchObject({ step: "hook", result });
  });

  test("counts at_us from the opening and names the steps", () => {
    const incidents = new Incidents(["web"], RUN);
    const kill = record({ step: step.KILL, tNs: 1_038_000, pid: 7, comm: "leak", bytes: 4096 });
    const { drafts } = incidents.accept([opened, kill], 0);
    expect(drafts).toEqual([
      {
        type: "incident.opened",
        guard: "web",
        incident: "web#1",
        id: "k3-0-1",
        cause: "oom",
        opened_t: 1001,
      },
      {
        type: "incident.step",
        guard: "web",
        incident: "web#1",
        id: "k3-0-1",
        step: "kill",
        by: "handler",
        pid: 7,
        comm: "leak",
        rss_bytes: 4096,
        result: "ok",
        at_us: 38,
      },
    ]);
  });

  test("holds the close back until late steps are in", () => {
    const incidents = new Incidents(["web"], RUN);
    expect(incidents.accept([opened, closed], 0).drafts).toHaveLength(1);
    expect(incidents.waiting).toBe(true);
    const late = record({ role: "SPARE", step: step.VICTIM_DEAD, tNs: 5_000_000 });
    expect(incidents.accept([late], HOLD_NS - 1).drafts).toMatchObject([{ step: "victim-dead" }]);
    expect(incidents.accept([], HOLD_NS).drafts).toMatchObject([
      { type: "incident.closed", outcome: "relieved", reason: "killed", duration_us: 5000 },
    ]);
    expect(incidents.waiting).toBe(false);
  });

  test("keeps a step that comes before its opening", () => {
    const incidents = new Incidents(["web"], RUN);
    expect(incidents.accept([record({ tNs: 1_000_500 })], 0).drafts).toEqual([]);
    expect(incidents.accept([opened], 1).drafts.map((draft) => draft.type)).toEqual([
      "incident.opened",
      "incident.step",
    ]);
    expect(incidents.waiting).toBe(false);
  });

  test("opens by itself when the opening record never comes", () => {
    const incidents = new Incidents(["web"], RUN);
    incidents.accept([record({})], 0);
    expect(incidents.accept([], HOLD_NS).drafts.map((draft) => draft.type)).toEqual([
      "incident.opened",
      "incident.step",
    ]);
  });

  test("of which only the end was told has its whole duration", () => {
    const incidents = new Incidents(["web"], RUN);
    incidents.accept([{ ...closed, openedNs: 2_000_000 }], 0);
    const [first, last] = incidents.accept([], HOLD_NS).drafts;
    expect(first?.type).toBe("incident.opened");
    expect(last).toMatchObject({ type: "incident.closed", duration_us: 4000 });
  });

  test("keeps incidents of two guards and two numbers apart", () => {
    const incidents = new Incidents(["a", "b"], RUN);
    const { drafts } = incidents.accept(
      [opened, { ...opened, guard: 1 }, { ...opened, incident: 2 }],
      0,
    );
    expect(drafts.map((draft) => "incident" in draft && draft.incident)).toEqual([
      "a#1",
      "b#1",
      "a#2",
    ]);
  });

  test("ignores a guard that it does not know", () => {
    expect(new Incidents(["a"], RUN).accept([{ ...opened, guard: 9 }], 0).drafts).toEqual([]);
  });

  test("turns steps outside an incident into events of the guard", () => {
    const engaged = record({ incident: 0, step: step.ENGAGED, result: -13 });
    const took = record({ incident: 0, step: step.TOOK_OVER, arg: reason.OWNER_DEAD });
    expect(new Incidents(["a"], RUN).accept([engaged, took], 0).events).toEqual([
      { guard: 0, event: "engaged", result: "EACCES" },
      { guard: 0, event: "took-over", result: "owner-dead" },
    ]);
  });

  test("every draft becomes a valid message, whatever the record holds", () => {
    const incidents = new Incidents(["a"], RUN);
    const steps = Object.values(step).map((number) =>
      record({ step: number, result: -3, bytes: 1 }),
    );
    const first = incidents.accept([opened, ...steps], 0).drafts;
    const last = incidents.accept([closed], HOLD_NS * 2).drafts;
    for (const draft of [...first, ...last]) {
      v.parse(Message, { v: PROTOCOL_VERSION, t: 1, ...draft });
    }
  });
});

test("the protocol names every outcome and state of the core", () => {
  expect(Object.keys(outcome).map(kebab)).toEqual([...OUTCOMES]);
  expect(Object.keys(state).map(kebab)).toEqual([...STATES]);
});
