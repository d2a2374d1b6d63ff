// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { linesOf } from "../../src/cli/timeline.ts";
import type { IncidentStep } from "../../src/feed/protocol.ts";
import { bytes, milliseconds, visible } from "../../src/shown.ts";

const kill: IncidentStep = {
  v: 1,
  t: 0,
  type: "incident.step",
  guard: "g",
  incident: "g#1",
  step: "kill",
  by: "handler",
  pid: 42,
  comm: "leak",
  rss_bytes: 64 * 2 ** 20,
  result: "ok",
  at_us: 38,
};

describe("linesOf()", () => {
  test("a kill names process, memory and time", () => {
    expect(linesOf(kill)).toEqual(["       +38 us  kill  leak (42)  64.0 MiB"]);
  });

  test("an order says what came of it, and what lacks its power", () => {
    const { pid, comm, rss_bytes, ...rest } = kill;
    const raise = { ...rest, step: "raise", by: "watchdog" as const, bytes: 2 ** 20 };
    expect(linesOf(raise)[0]).toEndWith("raise  1.0 MiB  by the watchdog");
    expect(linesOf({ ...rest, step: "would", order: "raise" })[0]).toEndWith("would  raise");
  });

  test("a hook says how it began and ended", () => {
    const { v, t, guard, incident, result } = kill;
    const program = "/bin/\u001b[2J";
    const hook = { v, t, type: "hook", guard, incident, program, pid: 7, result } as const;
    const lines = [
      linesOf({ ...hook, event: "started" }),
      linesOf({ ...hook, event: "ended", exit_code: 3, duration_ms: 40 }),
      linesOf({ ...hook, event: "ended", signal: "SIGKILL", duration_ms: 5050 }),
      linesOf({ ...hook, event: "failed", result: "ENOENT" }),
    ];
    const who = "  hook of g: /bin/\u{fffd}[2J";
    expect(lines.flat()).toEqual([
      `${who} (7) started`,
      `${who} (7) ended with code 3 after 40 ms`,
      `${who} (7) was ended by SIGKILL after 5.05 s`,
      `${who} could not be started, ENOENT`,
    ]);
  });

  test("the host's memory: what is left, and who is to end", () => {
    const { v, t, result } = kill;
    const host = {
      v,
      t,
      type: "system",
      incident: "system#1",
      available_bytes: 2 ** 30,
      result,
    } as const;
    const who = { pid: 7, comm: "a\u001b", rss_bytes: 2 ** 20 };
    const lines = [
      linesOf({ ...host, event: "low", cause: "memory", swap_free_bytes: 0 }),
      linesOf({ ...host, event: "terminate", ...who }),
      linesOf({ ...host, event: "hand-over", reason: "kill-cap", result: "EACCES" }),
    ];
    expect(lines.flat()).toEqual([
      "the host: low memory, 1.0 GiB left",
      "  terminate  a\u{fffd} (7)  1.0 MiB  1.0 GiB left",
      "  hand over  kill-cap  EACCES  1.0 GiB left",
    ]);
  });

  test("a failed step by another role says both", () => {
    const line = linesOf({ ...kill, by: "spare", result: "ESRCH" })[0];
    expect(line).toEndWith("ESRCH  by the spare");
  });

  test("a process whose name was never read is called by its number", () => {
    expect(linesOf({ ...kill, comm: "" })[0]).toContain("process 42");
  });

  test("a hostile name cannot steer the terminal", () => {
    const line = linesOf({ ...kill, comm: "\u001b[2Jx\n\u202e" })[0] ?? "";
    expect(line).toContain("\u{fffd}[2Jx\u{fffd}\u{fffd} (42)");
  });

  test("an end tells whom the kernel killed, or that it is not known", () => {
    const closed = {
      v: 1,
      t: 0,
      type: "incident.closed",
      guard: "g",
      incident: "g#1",
      outcome: "kernel-first",
      reason: "burst",
      duration_us: 9000,
      faults: 0,
    } as const;
    const kernel_killed = [{ pid: 7, comm: "leak\n", rss_bytes: 2 ** 20 }];
    const line = "g: the kernel was first after 9.0 ms (burst)";
    expect(linesOf({ ...closed, kernel_killed })).toEqual([
      `${line}, the kernel killed leak\u{fffd} (7)  1.0 MiB`,
    ]);
    expect(linesOf(closed)).toEqual([`${line}, whom it killed is not known`]);
    expect(linesOf({ ...closed, outcome: "handed-over" })[0]).toEndWith("(burst)");
  });

  test("a routine change of state is no line", () => {
    const guard = { v: 1 as const, t: 0, type: "guard" as const, guard: "g" };
    const counts = { usage_bytes: 1, limit_bytes: 2, procs: 1 };
    expect(linesOf({ ...guard, ...counts, state: "near", event: "engaged", result: "ok" })).toEqual(
      [],
    );
    expect(linesOf({ ...guard, ...counts, state: "alarm" })[0]).toContain("STILL OUT OF MEMORY");
  });
});

test("bytes() scales by 1024", () => {
  expect([0, 1023, 1024, 1.5 * 2 ** 30, 2 ** 60].map(bytes)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "1.5 GiB",
    "1024.0 PiB",
  ]);
});

test("milliseconds() keeps short times short", () => {
  expect([0, 100, 2000, 90_000].map(milliseconds)).toEqual(["0 ms", "100 ms", "2 s", "90 s"]);
});

test("visible() leaves letters of all scripts alone", () => {
  expect(visible("größe 漢字 🐘")).toBe("größe 漢字 🐘");
  expect(visible("a\u0007\u0085\u2028b")).toBe("a\u{fffd}\u{fffd}\u{fffd}b");
});
