// SPDX-License-Identifier: MIT
/** What becomes of the system guard's messages: an incident from "low" to "relieved". */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import type { System } from "../../src/feed/protocol.ts";
import { Assembler } from "../../src/journal/assemble.ts";
import { Incident } from "../../src/journal/incident.ts";

const MIB = 1 << 20;
const NOW = 1_764_504_847_000;

type Told = Pick<System, "event"> & Partial<System>;

const who = { pid: 7, comm: "hog", rss_bytes: 300 * MIB };

/** The incidents of these, in their order; each is a second behind the one before. */
function play(all: readonly Told[], powers = ["system"]): Incident[] {
  const assembler = new Assembler("run");
  const incidents = all.flatMap((told, i) => {
    const of = { v: 1, t: NOW + 1000 * i, type: "system", incident: "system#1" } as const;
    const low = told.event === "low" && { opened_t: NOW - 5, powers };
    const more = { id: "run-system-1", at_us: 1e6 * i, available_bytes: 100 * MIB, result: "ok" };
    return assembler.accept({ ...of, ...more, ...low, ...told }) ?? [];
  });
  return [...incidents, ...assembler.unfinished()].map((one) => v.parse(Incident, one));
}

const low = { event: "low", cause: "memory", swap_free_bytes: 0 } as const;
const end = { event: "relieved" } as const;

describe("an incident of the host as a whole", () => {
  test("has its steps by the names of a guard's, its victim and its times", () => {
    const kill = [
      { event: "terminate", ...who },
      { event: "kill", ...who },
      { event: "dead", ...who },
    ] as const;
    const [one, ...more] = play([low, ...kill, end]);
    expect(more).toEqual([]);
    expect(one).toMatchObject({
      id: "run-system-1",
      guard: "system",
      scope: "host",
      cgroup: "",
      cause: "memory",
      opened_t: NOW - 5,
      duration_us: 4e6,
      powers: ["system"],
      victims: [{ ...who, by: "system" }],
    });
    expect(one?.steps.map(({ step, at_us }) => [step, at_us])).toEqual([
      ["low", 0],
      ["terminate", 1e6],
      ["kill", 2e6],
      ["victim-dead", 3e6],
      ["relief", 4e6],
    ]);
    expect(one?.steps[1]).toMatchObject({ ...who, available_bytes: 100 * MIB });
  });

  test.each<[string, Told[], string, string]>([
    ["who was killed", [{ event: "kill", ...who }], "relieved", "killed"],
    ["who ended by SIGTERM", [{ event: "terminate", ...who }], "relieved", "terminated"],
    ["nobody", [], "exited-by-itself", "no-kill-seen"],
    [
      "who could not be killed",
      [{ event: "kill", ...who, result: "ESRCH" }],
      ...(["exited-by-itself", "no-kill-seen"] as const),
    ],
    ["the kernel's", [{ event: "hand-over", reason: "kill-cap" }], "handed-over", "kill-cap"],
    [
      "the kernel's that was not allowed",
      [
        { event: "terminate", ...who },
        { event: "hand-over", reason: "kill-cap", result: "EACCES" },
      ],
      ...(["relieved", "terminated"] as const),
    ],
  ])("ends as its last step says: %s", (_, steps, outcome, reason) => {
    expect(play([low, ...steps, end])).toMatchObject([{ outcome, reason }]);
  });

  test("without the power is observed, and names no victim", () => {
    const [one] = play([low, { event: "would-kill", ...who }, end], []);
    expect(one).toMatchObject({ outcome: "observed", reason: "observing", victims: [] });
  });

  test("whose end nobody saw is unknown, and one whose begin was lost is left out", () => {
    expect(play([low])).toMatchObject([{ outcome: "unknown", reason: "unseen", duration_us: 0 }]);
    expect(play([{ event: "armed" }, { event: "kill", ...who }, end])).toEqual([]);
  });
});
