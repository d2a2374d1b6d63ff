// SPDX-License-Identifier: MIT
/**
 * systemd as process 1 and reprieve, itself a service, with a hand in the same group.
 *
 * What systemd 252 writes, as strace and the files show: `daemon-reload` and `daemon-reexec` rewrite memory.min, low, high,
 * max, swap.max and oom.group of every running unit, changed or not; `set-property` those of its unit, whatever the
 * property; the start of the first sibling that wants another controller (CPUWeight=), and the stop of the last, those of
 * all siblings. So memory.high is "max" again unless the unit sets MemoryHigh=. `restart` removes the group and makes
 * another one of that name.
 */
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard } from "../helpers/config.ts";
import { MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { killAllOf, leftoversOf, Reprieve } from "../helpers/reprieve.ts";
import { Board } from "../helpers/workload.ts";
import { run } from "./packages.ts";
import {
  expectUnharmed,
  Guarded,
  Guarding,
  HIGH,
  LIMIT_MB,
  type Lines,
  leak,
  MARGIN_MB,
  systemctl,
  untilSoon,
} from "./service.ts";

/** native/limits.h: for anybody else. */
const YIELD_LEAST_MS = 1000;
const AGAIN = ["Restart=on-failure", "RestartSec=500ms"];
const MANAGED = "ManagedOOMMemoryPressure=kill";
/** On a disk: tmpfs cannot be reclaimed. */
const CODE = "/root/reprieve-code";
const [LARGE_MB, CODE_MB] = [44, 32];
/** It looks once a second, at an average of the last 10. */
const OOMD_PATIENCE_MS = 10_000;
/** Of the VM's clock: each waits with bounds of its own. */
const TEST_MS = 120_000;

let services = 0;
let ends: (() => void)[] = [];

afterEach(async () => {
  for (const end of ends.reverse()) end();
  ends = [];
  await cleanUp();
});

function guarded(...lines: string[]): Guarded {
  services += 1;
  const service = new Guarded(`guarded-${services}`, [`MemoryMax=${LIMIT_MB}M`, ...lines]);
  ends.push(() => service.end());
  return service;
}

async function guarding(service: Guarded, lines?: Lines): Promise<Guarding> {
  const reprieve = new Guarding(service, `reprieve-${services}`, lines);
  ends.push(() => systemctl("stop", reprieve.unit));
  await reprieve.message("armed");
  return reprieve;
}

/** A process that holds most of the group, and one whose code does not fit beside it. */
async function starve(service: Guarded): Promise<void> {
  run(["dd", "if=/dev/zero", `of=${CODE}`, "bs=1M", `count=${CODE_MB}`, "conv=fsync"], "/");
  ends.push(() => rmSync(CODE));
  const board = new Board();
  await board.bear(service, { means: "touch", beforeKb: LARGE_MB * 1024 }).ready();
  (await board.bear(service, { means: "reread", kb: CODE_MB * 1024 }).ready()).go();
}

async function expectRelief(service: Guarded, reprieve: Guarding): Promise<void> {
  const { mainPid } = service;
  const from = reprieve.messages.length;
  await leak(service);
  const closed = await reprieve.message("incident.closed", from);
  expect(`${closed.outcome} ${closed.reason}`).toBe("relieved killed");
  expectUnharmed(service, mainPid);
}

function systemdTest(name: string, body: () => Promise<void>): void {
  test(name, body, TEST_MS);
}

systemdTest(
  "unguarded: the kernel kills a leaker, and systemd ends its service for that",
  async () => {
    const service = guarded();
    await leak(service);
    await untilSoon("the service's end", () => service.mainPid === 0);
    expect(service.shows("Result")).toBe("oom-kill");
  },
);

systemdTest("guarded: a leaker is killed, and its service goes on", async () => {
  const service = guarded();
  const reprieve = await guarding(service);
  await service.highIs(HIGH);
  await expectRelief(service, reprieve);
  await service.highIs(HIGH);
});

systemdTest("MemoryHigh= of the unit is used, and written by nobody else", async () => {
  const high = String(32 * MB);
  const service = guarded("MemoryHigh=32M");
  const reprieve = await guarding(service);
  systemctl("daemon-reload");
  await expectRelief(service, reprieve);
  expect(service.read("memory.high")).toBe(high);
  systemctl("stop", reprieve.unit);
  expect(service.read("memory.high")).toBe(high);
  expect(reprieve.messages.filter((m) => m.event === "disarmed-by-other")).toEqual([]);
});

systemdTest("what systemd rewrites is told, and ours again at once; nobody is harmed", async () => {
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
    const began = performance.now();
    await reprieve.message("guard", from, "disarmed-by-other");
    await service.highIs(high);
    expect(performance.now() - began).toBeLessThan(YIELD_LEAST_MS);
    await Bun.sleep(YIELD_LEAST_MS); // more often than that is somebody's will
  }
  expect(reprieve.messages.filter((m) => m.type.startsWith("incident"))).toEqual([]);
  expectUnharmed(service, mainPid);
  await expectRelief(service, reprieve);
});

systemdTest(
  "restarted: the group is gone, and the one that takes its place is guarded",
  async () => {
    const service = guarded();
    const reprieve = await guarding(service, { service: AGAIN });
    const agent = reprieve.mainPid;
    await service.highIs(HIGH);
    const from = reprieve.messages.length;
    systemctl("restart", service.unit);
    await reprieve.message("armed", from);
    expect(reprieve.messages.slice(from).map((m) => m.event)).toContain("gone");
    // By the same reprieve, where the new one was there before it had looked; else by the next, after Restart=.
    if (reprieve.mainPid !== agent) {
      expect(reprieve.err).toContain("nothing left to guard, somebody removed");
      expect(leftoversOf(agent)).toEqual([]);
    }
    await service.highIs(HIGH);
    await expectRelief(service, reprieve);
  },
);

systemdTest(
  "restarted, with reprieve as a part of it: it puts back before, and guards after",
  async () => {
    const service = guarded();
    const together = [`PartOf=${service.unit}`, `After=${service.unit}`];
    const reprieve = await guarding(service, { unit: together, service: AGAIN });
    const agent = reprieve.mainPid;
    await service.highIs(HIGH);
    const from = reprieve.messages.length;
    systemctl("restart", service.unit);
    await reprieve.message("armed", from);
    expect(reprieve.messages.slice(from).map((m) => m.type)).toContain("released");
    expect(reprieve.err).not.toContain("nothing left to guard");
    expect(leftoversOf(agent)).toEqual([]);
    await service.highIs(HIGH);
  },
);

systemdTest(
  "doctor tells of guarded units, and of slices around them, in which systemd-oomd kills",
  async () => {
    const config = new ConfigFile();
    ends.push(() => config.remove());
    const told = async (service: Guarded) => {
      const cgroup = service.group.slice(memory.root.length);
      config.write(`${FEED}[allow]\nkill = true\n${guard("g", cgroup)}`);
      const { out } = await Reprieve.ends(["doctor", "--config", config.path, "--json"]);
      const { host } = JSON.parse(out) as { host: { name: string; detail: string }[] };
      return host.filter(({ name }) => name === "systemd-oomd").map(({ detail }) => detail);
    };
    const plain = guarded();
    const kills = "kill: systemd-oomd may be first, and kills a unit whole";
    const asShipped = `-.slice has ManagedOOMSwap=${kills}`; // by Debian's systemd-oomd, installed or running
    expect(await told(plain)).toEqual([asShipped]);
    const managed = guarded(MANAGED);
    const its = `${managed.unit} has ManagedOOMMemoryPressure=${kills}`;
    expect(await told(managed)).toEqual([asShipped, its]);
    systemctl("set-property", "--runtime", "system.slice", "ManagedOOMSwap=kill");
    ends.push(() => systemctl("set-property", "--runtime", "system.slice", "ManagedOOMSwap=auto"));
    expect(await told(plain)).toEqual([asShipped, `system.slice has ManagedOOMSwap=${kills}`]);
  },
);

/** Debian's units; systemd-oomd as eager as it can be set, but for the share of time: Debian has it wait 20 s, over 60 %. */
function withOthers(): void {
  mkdirSync("/run/systemd/oomd.conf.d", { recursive: true });
  const eager = ["DefaultMemoryPressureDurationSec=1s", "DefaultMemoryPressureLimit=20%"];
  writeFileSync("/run/systemd/oomd.conf.d/99.conf", ["[OOM]", ...eager, ""].join("\n"));
  const units = ["systemd-oomd.service", "systemd-oomd.socket", "earlyoom.service"];
  systemctl("start", ...units);
  ends.push(() => systemctl("stop", ...units));
}

systemdTest("beside systemd-oomd and earlyoom: doctor names both", async () => {
  withOthers();
  const { out } = await Reprieve.ends(["doctor", "--json"]);
  const { host } = JSON.parse(out) as { host: { name: string; detail: string }[] };
  const beside = host.filter(({ name }) => name === "beside us").map(({ detail }) => detail);
  expect(beside.map((one) => one.replace(/ \(\d+\):.*/, "")).sort()).toEqual([
    "earlyoom",
    "systemd-oomd",
  ]);
});

systemdTest("beside them unguarded: what starves is systemd-oomd's, whole", async () => {
  withOthers();
  const service = guarded(MANAGED, `Environment=WORKLOAD_FILE=${CODE}`);
  await starve(service);
  await untilSoon("the service's end", () => service.mainPid === 0);
  expect(service.shows("Result")).toBe("oom-kill");
  expect(memory.oom(service.group).kills).toBe(0);
});

systemdTest("beside them guarded: an OOM is reprieve's, and the service goes on", async () => {
  withOthers();
  const service = guarded(MANAGED);
  const { mainPid } = service;
  const reprieve = await guarding(service);
  for (let leaks = 0; leaks < 3; leaks += 1) await expectRelief(service, reprieve);
  await Bun.sleep(OOMD_PATIENCE_MS);
  expectUnharmed(service, mainPid);
});

for (const [how, end] of [
  ["stopped", (reprieve: Guarding) => void systemctl("stop", reprieve.unit)],
  [
    "killed by systemctl",
    (reprieve: Guarding) => void systemctl("kill", "-s", "KILL", reprieve.unit),
  ],
  ["killed with all its helpers", (reprieve: Guarding) => killAllOf(reprieve.mainPid)],
] as const) {
  systemdTest(
    `reprieve's service is ${how}: memory.high is as before, nothing is left`,
    async () => {
      const service = guarded();
      const { mainPid } = service;
      const reprieve = await guarding(service);
      const agent = reprieve.mainPid;
      await service.highIs(HIGH);
      end(reprieve);
      await service.highIs("max");
      await untilSoon("its end", () => /inactive|failed/.test(reprieve.shows("ActiveState")));
      // Helpers that outlive the agent are not in its unit's group: they end by themselves.
      await untilSoon("nothing to be left", () => leftoversOf(agent).length === 0);
      expectUnharmed(service, mainPid);
    },
  );
}
