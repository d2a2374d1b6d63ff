// SPDX-License-Identifier: MIT
/** reprieve installed on a host with systemd: an OOM, all that may happen to its agent, an upgrade in place, and the end of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { commandsOf } from "../docs/blocks.ts";
import { guard } from "../helpers/config.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { onlyOnV2 } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";
import { isAlive } from "../helpers/workload.ts";
import { run } from "./packages.ts";
import {
  expectUnharmed,
  Guarded,
  HIGH,
  highOf,
  LIMIT_MB,
  leak,
  MARGIN_MB,
  shown,
  systemctl,
  untilSoon,
} from "./service.ts";

const INSTALLED = "/usr/local/bin/reprieve";
const AGENT = "reprieve.service";
const WATCHERS = "reprieve-watchers.service";
const SLICE = "reprieve.slice";
const CONFIG = "/etc/reprieve/reprieve.toml";
const HOOK = "/usr/bin/hook";
const NEWER = "/root/reprieve-newer";
const RULES = `[allow]\nkill = "/system.slice/guarded-*"\n${guard("guarded", "/system.slice/guarded-*")}`;
/** Where an installation may leave something. */
const PLACES = [
  "/usr/local",
  "/etc",
  "/var/lib",
  "/var/log",
  "/run",
  `${memory.root}/reprieve.slice`,
];
/** What systemd itself makes, of any service. */
const SYSTEMDS =
  /^\/run\/(systemd|shm|log|credentials)|^\/var\/lib\/(systemd|private)|^\/var\/log\/(private|journal)/;
const UPGRADES = 3;
/** Than systemd starts a unit again by default: 5 times in 10 s. */
const MORE_KILLS = 7;
/** Between two OOMs: on one CPU who tells, copies and takes over needs some of it. */
const PAUSE_MS = 200;
const LOOK_MS = 5;
/** A reload has its group let go, and armed anew. */
const SETTLE_MS = 500;
const INSTALL_BOUND_MS = 60_000;
/** WatchdogSec= of the unit. */
const WATCHDOG_MS = 30_000;
/** Of the VM's clock. */
const TEST_MS = 180_000;

let service: Guarded;
let before: string[];

function hostTest(name: string, body: () => void | Promise<void>): void {
  test(name, body, TEST_MS);
}

function files(): string[] {
  return PLACES.filter((place) => existsSync(place))
    .flatMap((place) => [
      place,
      ...readdirSync(place, { recursive: true }).map((name) => `${place}/${name}`),
    ])
    .filter((path) => !SYSTEMDS.test(path) && !/\.orders$/.test(path))
    .sort();
}

const mainPid = () => Number(shown(AGENT, "MainPID"));

/** Of whatever reprieve: they have no other name. */
function processesOfOurs(): { pid: number; args: string[] }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), args: argsOf(name) }))
    .filter(({ args: [program = ""] }) => program === INSTALLED || program.startsWith("reprieve-"));
}

function argsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function helpers(): number[] {
  const watching = /^reprieve-(handler|watchdog|spare)$/;
  return processesOfOurs().flatMap(({ pid, args: [name = ""] }) =>
    watching.test(name) ? [pid] : [],
  );
}

/** All three, in the unit of the watchers. */
async function helpersSettled(): Promise<number[]> {
  return await untilSoon("the helpers to settle", () => {
    const all = helpers();
    const areIn = all.every((pid) => inUnit(pid) === WATCHERS);
    return all.length === 3 && areIn && all;
  });
}

/** By the hierarchy that tells systemd, on a hybrid host too. */
function inUnit(pid: number): string | undefined {
  const lines = existsSync(`/proc/${pid}/cgroup`)
    ? readFileSync(`/proc/${pid}/cgroup`, "utf8")
    : "";
  return /^0::\/reprieve\.slice\/([^/\n]+)/m.exec(lines)?.[1];
}

/** On v1 nothing is written where nobody is near the limit. */
async function isGuarded(): Promise<void> {
  if (memory.version === 2) await service.highIs(HIGH);
  else await untilSoon("a guard", () => shown(AGENT, "StatusText") === "guarding 1 group");
}

function isPutBack(): boolean {
  return !memory.oom(service.group).held;
}

async function guardedAgain(old: number, boundMs = 20_000): Promise<void> {
  const isAnother = () => mainPid() !== old && mainPid() > 0;
  await until("another main process", isAnother, boundMs, 20);
  await untilSoon("ready", () => shown(AGENT, "ActiveState") === "active");
  await isGuarded();
}

/** A leaker dies, by reprieve: the kernel has killed nobody. */
async function expectRelief(): Promise<void> {
  const { kills } = memory.oom(service.group);
  await leak(service);
  expect(memory.oom(service.group).kills).toBe(kills);
}

function fieldsInJournal(): Record<string, string | undefined> {
  const [line] = run(
    ["journalctl", "REPRIEVE_OUTCOME=relieved", "-o", "json", "-n", "1"],
    "/",
  ).split("\n");
  return line ? (JSON.parse(line) as Record<string, string>) : {};
}

interface Told {
  readonly outcome: string;
  readonly reason: string;
}

function newestIncident(): Told | undefined {
  const [line] = run([INSTALLED, "incidents", "--limit", "1", "--json"], "/").split("\n");
  return line ? (JSON.parse(line) as Told) : undefined;
}

/** It copies the program. */
function installs(more: readonly string[] = [], program = binary) {
  return Reprieve.start(["install", ...more], { command: [program] }).ended(INSTALL_BOUND_MS);
}

function makeNewer(): void {
  rmSync(NEWER, { force: true });
  copyFileSync(INSTALLED, NEWER);
  appendFileSync(NEWER, "\n");
}

beforeAll(() => {
  // Every host has them.
  for (const dir of ["/usr/local/bin", "/usr/local/lib", "/usr/local/share/man", "/var/log"]) {
    mkdirSync(dir, { recursive: true });
  }
  before = files();
  service = new Guarded("guarded-host", [
    `MemoryMax=${LIMIT_MB}M`,
    "OOMPolicy=continue",
    "Environment=WORKLOAD_ON_TERM=ignore",
  ]);
  mkdirSync("/root", { recursive: true });
  writeFileSync("/root/rules.toml", RULES);
});

afterAll(() => {
  service.end();
  for (const path of [NEWER, "/root/rules.toml"]) rmSync(path, { force: true });
});

hostTest(
  "install: each thing is said, the service is ready when the group is guarded, and an OOM is relieved",
  async () => {
    const { code, err } = await installs(["--config", "/root/rules.toml"]);
    expect(err).toContain(`reprieve: ${INSTALLED} written\n`);
    expect(err).toContain(`reprieve: ${CONFIG} written\n`);
    expect(err).toContain(`reprieve: ${AGENT} is started, now and at each boot\n`);
    expect(code).toBe(0);
    expect(shown(AGENT, "StatusText")).toBe("guarding 1 group");
    await isGuarded();
    await helpersSettled();
    expect(inUnit(mainPid())).toBe(AGENT);
    await expectRelief();
    const incident = await untilSoon("the incident in the journal", () => newestIncident());
    expect(`${incident.outcome} ${incident.reason}`).toBe("relieved killed");
  },
);

hostTest("installed once more nothing is done", async () => {
  const pid = mainPid();
  const { code, err } = await installs();
  expect(code).toBe(0);
  expect(err).not.toMatch(/written|started|taken over/);
  expect(mainPid()).toBe(pid);
});

onlyOnV2("what is written tells")(
  "reload: the config file is read anew, by the same process",
  async () => {
    const pid = mainPid();
    writeFileSync(CONFIG, `${RULES}margin = "8M"\n`);
    systemctl("reload", AGENT);
    await service.highIs(highOf(8));
    writeFileSync(CONFIG, RULES);
    systemctl("reload", AGENT);
    await service.highIs(highOf(MARGIN_MB));
    expect(mainPid()).toBe(pid);
    writeFileSync(CONFIG, "[allow]\nkil = true\n");
    expect(() => systemctl("reload", AGENT)).toThrow();
    expect(mainPid()).toBe(pid);
    writeFileSync(CONFIG, RULES);
  },
  TEST_MS,
);

hostTest(
  "the agent is killed, in an OOM: its watchers see that to its end, and a new agent guards",
  async () => {
    // It lasts: the leaker does not mind SIGTERM.
    writeFileSync(CONFIG, `${RULES}orders = ["terminate=2s"]\ndelay = "4s"\n`);
    systemctl("reload", AGENT);
    await Bun.sleep(SETTLE_MS);
    const old = mainPid();
    const pid = service.mainPid;
    const leaked = leak(service);
    await untilSoon("an OOM", () => memory.oom(service.group).waiting);
    await Bun.sleep(SETTLE_MS);
    kill(old, "SIGKILL");
    await leaked;
    await guardedAgain(old);
    expectUnharmed(service, pid);
    writeFileSync(CONFIG, RULES);
    systemctl("reload", AGENT);
    await Bun.sleep(SETTLE_MS);
    await expectRelief();
  },
);

hostTest(
  "systemd kills all of the agent's unit: the watchers live, put back and end; a new agent guards",
  async () => {
    const old = mainPid();
    const watchers = await helpersSettled();
    systemctl("kill", "-s", "KILL", AGENT);
    expect(watchers.filter(isAlive).length).toBeGreaterThan(0);
    await guardedAgain(old);
    await untilSoon("the old ones to end", () => !watchers.some(isAlive));
    await expectRelief();
  },
);

hostTest(
  "the agent is stopped: an OOM is relieved by its helpers; systemd's watchdog ends it, and a new one guards",
  async () => {
    const old = mainPid();
    kill(old, "SIGSTOP");
    await expectRelief();
    await guardedAgain(old, 2 * WATCHDOG_MS);
    expect(shown(AGENT, "NRestarts")).not.toBe("0");
    await expectRelief();
  },
);

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
    copyFileSync(NEWER, `${INSTALLED}.new`);
    run(["mv", `${INSTALLED}.new`, INSTALLED], "/");
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
    expect(installed.err).toContain(`the program that runs guards on:\n${CONFIG}:2: allow.kil`);
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

hostTest("of the host's files the service may write what its page says", () => {
  // As that process sees it, by its root.
  const mayWrite = (path: string, text = "") => {
    try {
      appendFileSync(`/proc/${mainPid()}/root${path}`, text);
      return true;
    } catch {
      return false;
    }
  };
  const places = ["/run/reprieve", "/var/lib/reprieve", "/var/log/reprieve", "/tmp"];
  for (const place of places) expect([place, mayWrite(`${place}/x`)]).toEqual([place, true]);
  for (const place of places) rmSync(`/proc/${mainPid()}/root${place}/x`);
  expect(mayWrite("/proc/sysrq-trigger", "h")).toBe(true); // only tells its keys
  const forbidden = ["/usr/x", "/etc/x", "/root/x", "/var/lib/x", "/proc/sys/vm/swappiness"];
  for (const path of forbidden) expect([path, mayWrite(path)]).toEqual([path, false]);
});

hostTest("a hook lives in the sandbox, and systemd does for it what that forbids", async () => {
  const [forbidden, done] = ["/root/by-hook", "/root/by-systemd"];
  const script = `#!/bin/sh\ntouch ${forbidden}\nexec systemd-run --no-block --collect touch ${done}\n`;
  writeFileSync(HOOK, script, { mode: 0o755 });
  const orders = `orders = ["hook=${HOOK}", "kill"]\n`;
  writeFileSync(CONFIG, `${RULES.replace("\n", "\nhooks = true\n")}${orders}`);
  systemctl("reload", AGENT);
  await Bun.sleep(SETTLE_MS);
  await expectRelief();
  await untilSoon("the hook's unit", () => existsSync(done));
  expect(existsSync(forbidden)).toBe(false);
  writeFileSync(CONFIG, RULES);
  systemctl("reload", AGENT);
  for (const path of [HOOK, done]) rmSync(path);
});

hostTest("where handlers may be designated it is seen where an OOM sleeps", async () => {
  systemctl("start", "systemd-journald.socket", "systemd-journald.service");
  writeFileSync(CONFIG, `${RULES}[handler]\nwhere = "designated"\n`);
  systemctl("restart", AGENT);
  await isGuarded();
  writeFileSync(CONFIG, RULES);
  systemctl("restart", AGENT);
  await isGuarded();
  const said = run(["journalctl", "--unit", AGENT, "--output", "cat"], "/");
  expect(said).toContain("guarding ");
  expect(said).not.toContain("cannot see");
});

hostTest(
  "the watchers' unit killed again and again is there again, and so is the agent",
  async () => {
    for (let i = 0; i < MORE_KILLS; i += 1) {
      const old = Number(shown(WATCHERS, "MainPID"));
      kill(old, "SIGKILL");
      await untilSoon("another process of the unit", () => {
        const pid = Number(shown(WATCHERS, "MainPID"));
        return pid !== old && pid > 0;
      });
    }
    await untilSoon("the agent", () => shown(AGENT, "ActiveState") === "active");
    const old = mainPid();
    kill(old, "SIGKILL");
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

hostTest(
  "restart and stop put back; the watchers' unit stopped takes the agent with it, in order",
  async () => {
    systemctl("stop", AGENT);
    expect(isPutBack()).toBe(true);
    expect(processesOfOurs()).toEqual([]);
    systemctl("start", AGENT);
    await isGuarded();
    systemctl("stop", WATCHERS);
    expect(isPutBack()).toBe(true);
    expect(shown(AGENT, "ActiveState")).toBe("inactive");
    expect(processesOfOurs()).toEqual([]);
    systemctl("start", AGENT);
    await isGuarded();
  },
);

hostTest(
  "uninstall: what is guarded is put back, what a person wrote stays, and nothing else",
  async () => {
    const { code, err, out } = await Reprieve.ends(["uninstall"], { command: [INSTALLED] });
    expect({ code, out }).toEqual({ code: 0, out: "nothing to release\n" });
    expect(err).toContain("/etc/reprieve stays, for there is reprieve.toml; --purge removes it");
    expect(isPutBack()).toBe(true);
    expect(processesOfOurs()).toEqual([]);
    const left = files().filter((path) => !before.includes(path));
    expect(left).toEqual(
      [
        "/etc/reprieve",
        CONFIG,
        "/var/lib/reprieve",
        ...["", "-shm", "-wal"].map((end) => `/var/lib/reprieve/journal.sqlite${end}`),
      ].filter((path) => existsSync(path)),
    );
    expect(systemctl("list-units", "--all", "--plain", "--no-legend", AGENT, WATCHERS, SLICE)).toBe(
      "",
    );
    const purged = await Reprieve.ends(["uninstall", "--purge"]);
    expect(purged.code).toBe(0);
    expect(files().filter((path) => !before.includes(path))).toEqual([]);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(0);
  },
);

hostTest("an uninstall that was cut off is done by the next one", async () => {
  expect((await installs(["--no-start"])).code).toBe(0);
  rmSync(`/usr/local/lib/systemd/system/${AGENT}`);
  expect((await Reprieve.ends(["uninstall", "--purge"])).code).toBe(0);
  expect(files().filter((path) => !before.includes(path))).toEqual([]);
});

onlyOnV2("memory.high is held from the start")(
  "uninstall where no unit is: nothing is removed under one that runs by hand, and what a dead one held is put back",
  async () => {
    const args = ["run", "--cgroup", service.group, "--allow-kill", "--listen", "none"];
    const byHand = Reprieve.start(args);
    await service.highIs(HIGH);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(75);
    expect(existsSync(`/run/reprieve/${byHand.pid}/ledger`)).toBe(true);
    byHand.killAll();
    await untilSoon("all to be dead", () => byHand.helpers().size === 0);
    await service.highIs(HIGH);
    expect((await Reprieve.ends(["uninstall"])).code).toBe(0);
    await service.highIs("max");
    expect(files().filter((path) => !before.includes(path))).toEqual([]);
  },
  TEST_MS,
);

hostTest("installed and uninstalled by the commands of the pages", async () => {
  systemctl("start", "systemd-journald.socket", "systemd-journald.service");
  copyFileSync(binary, "/usr/local/bin/reprieve"); // as README's first command does
  const typed = [...commandsOf("README", "systemd"), ...commandsOf("host", "systemd")];
  for (const { commands } of typed) {
    for (const command of commands) {
      const PATH = `${process.env.PATH}:/usr/local/bin`;
      const ran = Bun.spawnSync(["sh", "-c", command], {
        cwd: "/root",
        env: { ...process.env, PATH },
      });
      expect({
        command,
        code: ran.exitCode,
        err: ran.success ? "" : ran.stderr.toString(),
      }).toEqual({
        command,
        code: 0,
        err: "",
      });
      if (command === "systemctl reload reprieve") {
        await isGuarded();
        await expectRelief();
        await untilSoon("its fields", () =>
          fieldsInJournal().REPRIEVE_CGROUP?.endsWith("guarded-host.service"),
        );
      }
    }
  }
  expect(files().filter((path) => !before.includes(path))).toEqual([]);
});
