// SPDX-License-Identifier: MIT
/** reprieve installed on a host with systemd, and a service that it guards: what the files host-*.ts share. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { guard } from "../helpers/config.ts";
import { memory } from "../helpers/memory.ts";
import { binary } from "../helpers/paths.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { until } from "../helpers/wait.ts";
import { run } from "./packages.ts";
import { Guarded, HIGH, LIMIT_MB, leak, shown, systemctl, untilSoon } from "./service.ts";

const PROGRAMS = "/usr/local/bin";
export const INSTALLED = `${PROGRAMS}/reprieve`;
export const AGENT = "reprieve.service";
export const HELPERS = "reprieve-helpers.service";
export const SLICE = "reprieve.slice";
export const CONFIG = "/etc/reprieve/reprieve.toml";
/** Of the install that tests begin with. */
export const GIVEN = "/root/rules.toml";
/** In memory (./job). */
export const NEWER = "/mnt/reprieve-newer";
export const RULES = `[allow]\nkill = "/system.slice/guarded-*"\n${guard("guarded", "/system.slice/guarded-*")}`;
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
const INSTALL_BOUND_MS = 60_000;
/** Of the VM's clock. */
export const TEST_MS = 180_000;

export let service: Guarded;
let before: string[];

/** Has the tests of a file a service to guard, and the installed reprieve that does so, if that is wanted. */
export function onHost({ isInstalled }: { isInstalled: boolean }): void {
  beforeAll(async () => {
    // Every host has them.
    for (const dir of [PROGRAMS, "/usr/local/lib", "/usr/local/share/man", "/var/log", "/root"]) {
      mkdirSync(dir, { recursive: true });
    }
    // The clock goes on while the disk is waited for (./job), and an agent has its own text paged out.
    run(["mount", "-t", "tmpfs", "tmpfs", PROGRAMS], "/");
    before = files();
    service = new Guarded("guarded-host", [
      `MemoryMax=${LIMIT_MB}M`,
      "OOMPolicy=continue",
      "Environment=WORKLOAD_ON_TERM=ignore",
    ]);
    writeFileSync(GIVEN, RULES);
    if (isInstalled) expect((await installs(["--config", GIVEN])).code).toBe(0);
    if (isInstalled) await isGuarded();
  }, TEST_MS);

  afterAll(async () => {
    if (isInstalled) expect((await Reprieve.ends(["uninstall", "--purge"])).code).toBe(0);
    if (isInstalled) expectNothingLeft();
    service.end();
    for (const path of [GIVEN, NEWER]) rmSync(path, { force: true });
    run(["umount", PROGRAMS], "/");
  }, TEST_MS);
}

export function hostTest(name: string, body: () => void | Promise<void>): void {
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

export const mainPid = () => Number(shown(AGENT, "MainPID"));

/** Of whatever reprieve: they have no other name. */
export function processesOfOurs(): { pid: number; args: string[] }[] {
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

export function helpers(): number[] {
  const watching = /^reprieve-(handler|watchdog|spare)$/;
  return processesOfOurs().flatMap(({ pid, args: [name = ""] }) =>
    watching.test(name) ? [pid] : [],
  );
}

/** All three, in the unit of the watchers. */
export async function helpersSettled(): Promise<number[]> {
  return await untilSoon("the helpers to settle", () => {
    const all = helpers();
    const areIn = all.every((pid) => inUnit(pid) === HELPERS);
    return all.length === 3 && areIn && all;
  });
}

/** By the hierarchy that tells systemd, on a hybrid host too. */
export function inUnit(pid: number): string | undefined {
  const lines = existsSync(`/proc/${pid}/cgroup`)
    ? readFileSync(`/proc/${pid}/cgroup`, "utf8")
    : "";
  return /^0::\/reprieve\.slice\/([^/\n]+)/m.exec(lines)?.[1];
}

/** On v1 nothing is written where nobody is near the limit. */
export async function isGuarded(): Promise<void> {
  if (memory.version === 2) await service.highIs(HIGH);
  else await untilSoon("a guard", () => shown(AGENT, "StatusText") === "guarding 1 group");
}

export function isPutBack(): boolean {
  return !memory.oom(service.group).held;
}

export async function guardedAgain(old: number, boundMs = 20_000): Promise<void> {
  const isAnother = () => mainPid() !== old && mainPid() > 0;
  await until("another main process", isAnother, boundMs, 20);
  await untilSoon("ready", () => shown(AGENT, "ActiveState") === "active");
  await isGuarded();
}

interface Shown {
  readonly state: string;
  readonly orders: readonly string[];
  readonly incident: string | null;
}

/** As `reprieve status` has it. */
export function guardNow(): Shown | undefined {
  const { guards } = JSON.parse(run([INSTALLED, "status", "--json"], "/"));
  return (guards as Shown[])[0];
}

/** Returns when the guard goes by these rules, whose `orders` have these names: it was let go, and armed anew. */
export async function reloads(rules: string, orders: readonly string[] = ["kill"]): Promise<void> {
  writeFileSync(CONFIG, rules);
  systemctl("reload", AGENT);
  await untilSoon(`a guard by ${orders}`, () => {
    const now = guardNow();
    return now !== undefined && now.state !== "none" && `${now.orders}` === `${orders}`;
  });
}

/** A leaker dies, by reprieve: the kernel has killed nobody. */
export async function expectRelief(): Promise<void> {
  const { kills } = memory.oom(service.group);
  await leak(service);
  expect(memory.oom(service.group).kills).toBe(kills);
}

/** It copies the program. */
export function installs(more: readonly string[] = [], program = binary) {
  return Reprieve.start(["install", ...more], { command: [program] }).ended(INSTALL_BOUND_MS);
}

export function makeNewer(): void {
  rmSync(NEWER, { force: true });
  copyFileSync(INSTALLED, NEWER);
  appendFileSync(NEWER, "\n");
}

/** What a package's update does. */
export function replaceProgram(): void {
  copyFileSync(NEWER, `${INSTALLED}.new`);
  renameSync(`${INSTALLED}.new`, INSTALLED);
}

/** Of what there was not before. */
export function leftFiles(): string[] {
  return files().filter((path) => !before.includes(path));
}

export function expectNothingLeft(): void {
  expect(leftFiles()).toEqual([]);
}
