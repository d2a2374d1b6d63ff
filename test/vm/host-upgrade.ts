// SPDX-License-Identifier: MIT
/** An upgrade in place of an installed reprieve: no group is held and unwatched, and where it cannot be the old one guards on. */
import { expect } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { isAlive } from "../helpers/workload.ts";
import {
  AGENT,
  CONFIG,
  expectRelief,
  guardedAgain,
  helpers,
  helpersSettled,
  hostTest,
  INSTALLED,
  installs,
  isGuarded,
  isPutBack,
  mainPid,
  makeNewer,
  NEWER,
  onHost,
  RULES,
  replaceProgram,
  service,
} from "./installed.ts";
import { run } from "./packages.ts";
import { leak, shown, systemctl, untilSoon } from "./service.ts";

const UPGRADES = 3;
/** Between two OOMs: on one CPU who tells, copies and takes over needs some of it. */
const PAUSE_MS = 200;
const LOOK_MS = 5;

onHost({ isInstalled: true });

hostTest(
  `taken over by a newer program ${UPGRADES} times in a stream of OOMs: never held and unwatched, and all are relieved or the kernel's`,
  async () => {
    const restarts = shown(AGENT, "NRestarts");
    let isOn = true;
    let leaks = 0;
    const alone: string[] = [];
    const stream = (async () => {
      for (; isOn; leaks += 1) {
        await leak(service);
        await Bun.sleep(PAUSE_MS);
      }
    })();
    const watch = (async () => {
      let watching: number[] = [];
      while (isOn) {
        const isFirst = !isPutBack();
        // All of /proc only where it has to be: on one CPU that is what the agents lack.
        if (!watching.some(isAlive)) watching = helpers();
        if (isFirst && watching.length === 0 && !isPutBack()) alone.push(`after ${leaks} leaks`);
        await Bun.sleep(LOOK_MS);
      }
    })();
    try {
      for (let i = 0; i < UPGRADES; i += 1) {
        const old = mainPid();
        makeNewer();
        const { code, err } = await installs([], NEWER);
        expect(err).toContain("was taken over");
        expect(code).toBe(0);
        await guardedAgain(old);
        expect(isAlive(old)).toBe(false);
        const so = leaks;
        await untilSoon("two more OOMs", () => leaks >= so + 2);
      }
    } finally {
      isOn = false;
    }
    await Promise.all([stream, watch]);
    console.log(
      `${leaks} OOMs in ${UPGRADES} upgrades, ${memory.oom(service.group).kills} the kernel's`,
    );
    expect(alone).toEqual([]);
    expect(shown(AGENT, "NRestarts")).toBe(restarts);
  },
);

hostTest("one that took over is systemd's main process: killed, it is started again", async () => {
  const old = mainPid();
  kill(old, "SIGKILL");
  await guardedAgain(old);
});

hostTest(
  "a newer program that cannot take over changes nothing, and install starts it anew",
  async () => {
    const old = mainPid();
    writeFileSync(CONFIG, "[allow]\nkil = true\n");
    makeNewer();
    replaceProgram();
    expect(() => systemctl("reload", AGENT)).toThrow();
    expect(mainPid()).toBe(old);
    expect(await helpersSettled()).toHaveLength(3);
    writeFileSync(CONFIG, RULES);
    systemctl("reload", AGENT);
    await guardedAgain(old);
  },
);

hostTest(
  "with mistakes in the config file an upgrade leaves the one that guards alone",
  async () => {
    const old = mainPid();
    const watchers = await helpersSettled();
    writeFileSync(CONFIG, "[allow]\nkil = true\n");
    makeNewer();
    const installed = await installs([], NEWER);
    expect(installed.code).toBe(1);
    expect(installed.err).toContain("the program that runs guards on:");
    expect(installed.err).toContain(`${CONFIG}:2:1: allow.kil`);
    const upgraded = await Reprieve.ends(["upgrade"], { command: [INSTALLED] });
    expect(upgraded.code).toBe(1);
    expect([mainPid(), ...helpers().sort()]).toEqual([old, ...watchers.sort()]);
    await expectRelief();
    writeFileSync(CONFIG, RULES);
  },
);

hostTest("upgrade takes over, and neither writes nor enables nor starts anything", async () => {
  const old = mainPid();
  const upgrades = () => Reprieve.ends(["upgrade"], { command: [INSTALLED] });
  const manual = "/usr/local/share/man/man1/reprieve.1";
  rmSync(manual);
  systemctl("disable", AGENT);
  expect((await upgrades()).err).toContain("was taken over: no group was unwatched");
  await guardedAgain(old);
  expect((await upgrades()).err).toContain("runs already");
  expect(shown(AGENT, "UnitFileState")).toBe("disabled");
  expect(existsSync(manual)).toBe(false);
  systemctl("stop", AGENT);
  rmSync(CONFIG);
  const stopped = await upgrades();
  expect([stopped.code, stopped.err]).toEqual([
    0,
    `reprieve: ${AGENT} does not run: nothing is taken over\n`,
  ]);
  expect([shown(AGENT, "ActiveState"), existsSync(CONFIG)]).toEqual(["inactive", false]);
  writeFileSync(CONFIG, RULES);
  expect((await installs()).code).toBe(0);
  await isGuarded();
});

hostTest(
  "one that reloads is waited for; by an ExecReload= of somebody else's nothing is taken over, and that is said",
  async () => {
    const old = mainPid();
    const upgrades = () => Reprieve.ends(["upgrade"], { command: [INSTALLED] });
    const dropIns = `/run/systemd/system/${AGENT}.d`;
    mkdirSync(dropIns, { recursive: true });
    writeFileSync(
      `${dropIns}/reload.conf`,
      `[Service]\nExecReload=\nExecReload=${INSTALLED} version\n`,
    );
    systemctl("daemon-reload");
    makeNewer();
    replaceProgram();
    systemctl("reload", "--no-block", AGENT);
    const { code, err } = await upgrades();
    expect(code).toBe(exit.host);
    expect(err).toContain("was not taken over: its ExecReload= is another than ours");
    expect(mainPid()).toBe(old);
    rmSync(dropIns, { recursive: true });
    systemctl("daemon-reload");
    expect((await upgrades()).err).toContain("was taken over: no group was unwatched");
    await guardedAgain(old);
  },
);

hostTest("one that took over ends in order too: it says itself what it released", async () => {
  systemctl("start", "systemd-journald.socket", "systemd-journald.service");
  const old = mainPid();
  makeNewer();
  expect((await installs([], NEWER)).err).toContain("was taken over");
  await guardedAgain(old);
  const pid = mainPid();
  systemctl("stop", AGENT);
  run(["journalctl", "--sync"], "/");
  const said = run(["journalctl", `_PID=${pid}`, "--output", "cat"], "/");
  expect(said).toContain(": released");
  systemctl("start", AGENT);
  await isGuarded();
});
