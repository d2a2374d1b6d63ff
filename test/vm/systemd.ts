// SPDX-License-Identifier: MIT
/**
 * systemd as process 1 and reprieve, itself a service, with a hand in the same group.
 *
 * What systemd 252 writes, as strace shows: `daemon-reload` rewrites memory.min, low, high, max, swap.max and oom.group of
 * every running unit, changed or not; `set-property` those of its unit, whatever the property. So memory.high is "max"
 * again unless the unit sets MemoryHigh=. `restart` removes the group and makes another one of that name.
 */
import { afterEach, expect, test } from "bun:test";
import { cleanUp } from "../helpers/clean.ts";
import { MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { killAllOf, leftoversOf } from "../helpers/reprieve.ts";
import { until } from "../helpers/wait.ts";
import { Board, isAlive } from "../helpers/workload.ts";
import { Guarded, Guarding, systemctl } from "./service.ts";

const TEST_MS = 60_000;
const LIMIT_MB = 64;
const MARGIN_MB = 16; // a quarter of the limit
const HIGH = String((LIMIT_MB - MARGIN_MB) * MB);

let services = 0;
let ended: (() => void)[] = [];

afterEach(async () => {
  for (const end of ended.reverse()) end();
  ended = [];
  await cleanUp();
});

function guarded(...lines: string[]): Guarded {
  services += 1;
  const service = new Guarded(`guarded-${services}`, [`MemoryMax=${LIMIT_MB}M`, ...lines]);
  ended.push(() => service.end());
  return service;
}

async function guarding(service: Guarded, ...lines: string[]): Promise<Guarding> {
  const reprieve = new Guarding(service, `reprieve-${services}`, lines);
  ended.push(() => systemctl("stop", reprieve.unit));
  await reprieve.message("armed", 0);
  return reprieve;
}

/** Until the leaker, a child of the service's main process, is dead. */
async function leak(service: Guarded): Promise<void> {
  const board = new Board();
  const leaker = await board.bear(service, { means: "touch", kb: LIMIT_MB * 1536 }).ready();
  leaker.go();
  await until("the leaker's death", () => !leaker.isAlive(), 20_000);
}

/** The main process and the service that were there before, and no kill of the kernel's. */
function expectUnharmed(service: Guarded, mainPid: number): void {
  expect(isAlive(mainPid)).toBe(true);
  expect(service.mainPid).toBe(mainPid);
  expect(service.shows("ActiveState")).toBe("active");
  expect(memory.oom(service.group).kills).toBe(0);
}

test(
  "a leak in an unguarded service: the kernel kills, and systemd ends the whole service",
  async () => {
    const service = guarded();
    await leak(service);
    await until("its end", () => service.shows("Result") === "oom-kill", 20_000);
    await until("its end", () => service.mainPid === 0, 20_000);
  },
  TEST_MS,
);

test(
  "a leak in a guarded service is relieved, and the service goes on",
  async () => {
    const service = guarded();
    const { mainPid } = service;
    const reprieve = await guarding(service);
    await service.highIs(HIGH);
    await leak(service);
    const closed = await reprieve.message("incident.closed", 0);
    expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
    await service.highIs(HIGH);
    expectUnharmed(service, mainPid);
  },
  TEST_MS,
);

test(
  "MemoryHigh= of the unit is used, and neither lifted nor rewritten by anybody",
  async () => {
    const high = String(32 * MB);
    const service = guarded("MemoryHigh=32M");
    const { mainPid } = service;
    const reprieve = await guarding(service);
    systemctl("daemon-reload");
    await leak(service);
    const closed = await reprieve.message("incident.closed", 0);
    expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
    expect(service.read("memory.high")).toBe(high);
    expectUnharmed(service, mainPid);
    systemctl("stop", reprieve.unit);
    expect(service.read("memory.high")).toBe(high);
    expect(reprieve.messages.filter((m) => m.event === "overrode")).toEqual([]);
  },
  TEST_MS,
);

test(
  "what systemd rewrites is told, and as ours again after a time; nobody is harmed",
  async () => {
    const service = guarded();
    const { mainPid } = service;
    const reprieve = await guarding(service);
    await service.highIs(HIGH);
    const property = ["set-property", "--runtime", service.unit];
    const writes = [
      [["daemon-reload"], HIGH],
      [[...property, "CPUWeight=50"], HIGH],
      [[...property, "MemoryMax=80M"], String((80 - MARGIN_MB) * MB)],
    ] as const;
    for (const [write, high] of writes) {
      const from = reprieve.messages.length;
      systemctl(...write);
      await reprieve.message("guard", from, "overrode");
      await service.highIs(high);
    }
    expect(reprieve.messages.filter((m) => m.type.startsWith("incident"))).toEqual([]);
    expectUnharmed(service, mainPid);
    const from = reprieve.messages.length;
    await leak(service);
    expect((await reprieve.message("incident.closed", from)).outcome).toBe("relieved");
    expectUnharmed(service, mainPid);
  },
  TEST_MS,
);

test(
  "a restart takes the group away: reprieve says so and ends; started again, it guards the new one",
  async () => {
    const service = guarded();
    const reprieve = await guarding(service, "Restart=on-failure", "RestartSec=500ms");
    const agent = reprieve.mainPid;
    await service.highIs(HIGH);
    const from = reprieve.messages.length;
    systemctl("restart", service.unit);
    await reprieve.message("armed", from);
    expect(reprieve.err).toContain("nothing left to guard, somebody removed");
    expect(leftoversOf(agent)).toEqual([]);
    await service.highIs(HIGH);
    const { mainPid } = service;
    await leak(service);
    expect((await reprieve.message("incident.closed", from)).outcome).toBe("relieved");
    expectUnharmed(service, mainPid);
  },
  TEST_MS,
);

for (const [how, end] of [
  ["stopped", (reprieve: Guarding) => void systemctl("stop", reprieve.unit)],
  [
    "killed by systemctl",
    (reprieve: Guarding) => void systemctl("kill", "-s", "KILL", reprieve.unit),
  ],
  ["killed with all its helpers", (reprieve: Guarding) => killAllOf(reprieve.mainPid)],
] as const) {
  test(
    `reprieve's service is ${how}: memory.high is as before, and nothing is left`,
    async () => {
      const service = guarded();
      const { mainPid } = service;
      const reprieve = await guarding(service);
      const agent = reprieve.mainPid;
      await service.highIs(HIGH);
      end(reprieve);
      await service.highIs("max");
      await until("its end", () => /inactive|failed/.test(reprieve.shows("ActiveState")), 20_000);
      expect(leftoversOf(agent)).toEqual([]);
      expectUnharmed(service, mainPid);
    },
    TEST_MS,
  );
}
