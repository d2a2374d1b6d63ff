// SPDX-License-Identifier: MIT
/**
 * Figure: what quiet armed guards cost: CPU time and wake-ups of the watchers with GUARDS of them, and the locked and
 * charged kernel memory of one more, all helpers together.
 *
 * Locked memory counts what each role has mapped privately, and the region once. Kernel memory is what is charged to
 * the group in which reprieve was started: the helpers open everything before they move to groups of their own.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { Group, MIB, untilSettled } from "./lib/group.ts";
import { cpuNs, helperPid, kilobytes, type Role } from "./lib/helpers.ts";
import { Reprieve } from "./lib/programs.ts";
import { report, say } from "./lib/report.ts";

const GUARDS = Number(process.env.GUARDS ?? 1000);
const WINDOW_MS = 10_000;
const LIMIT_BYTES = 64 * MIB;
const WATCHERS: readonly Role[] = ["watchdog", "spare"];

interface Cost {
  readonly lockedKb: number;
  readonly kernelKb: number;
  /** Of both watchers, per cent of a core. */
  readonly cpuPercent: number;
  readonly wakes: number;
}

const one = await costOf(1);
const all = await costOf(GUARDS);
const perGuard = (what: "lockedKb" | "kernelKb") => (all[what] - one[what]) / (GUARDS - 1);
report("quiet", `${GUARDS} quiet armed guards`, [
  {
    title: "",
    rows: [
      { label: "watchers' CPU, % of a core", values: [all.cpuPercent], target: { max: 0.1 } },
      { label: `their wake-ups in ${WINDOW_MS / 1000} s`, values: [all.wakes], target: { max: 0 } },
      { label: "locked, KB a guard", values: [perGuard("lockedKb")], target: { max: 4 } },
      { label: "kernel memory, KB a guard", values: [perGuard("kernelKb")], target: { max: 64 } },
    ],
  },
]);

async function costOf(guards: number): Promise<Cost> {
  const home = new Group(`quiet-${guards}`);
  const paths = Array.from({ length: guards }, (_, index) => `${home.path}/${index}`);
  for (const path of paths) {
    mkdirSync(path);
    writeFileSync(`${path}/memory.limit_in_bytes`, String(LIMIT_BYTES));
  }
  const own = new Group(`quiet-own-${guards}`);
  own.join(process.pid);
  const reprieve = await Reprieve.guard(paths, ["--listen", "none"]);
  writeFileSync(`${own.path}/../cgroup.procs`, String(process.pid));
  say(`quiet: ${guards} guards settle`);
  await untilSettled(paths);
  const kernelKb = Number(own.read("memory.kmem.usage_in_bytes")) / 1024;
  const pids = WATCHERS.map((role) => helperPid(reprieve.pid, role));
  const before = pids.map((pid) => ({ cpu: cpuNs(pid), wakes: wakesOf(pid) }));
  await Bun.sleep(WINDOW_MS);
  const cpu = pids.map((pid, index) => cpuNs(pid) - (before[index]?.cpu ?? 0));
  const wakes = pids.map((pid, index) => wakesOf(pid) - (before[index]?.wakes ?? 0));
  const handler = helperPid(reprieve.pid, "handler");
  const lockedKb = lockedOf(handler) + sum(pids.map(privateOf));
  await reprieve.stop();
  for (const path of paths) rmdirSync(path);
  home.remove();
  own.remove();
  return {
    lockedKb,
    kernelKb,
    cpuPercent: (sum(cpu) / (WINDOW_MS * 1e6)) * 100,
    wakes: sum(wakes),
  };
}

function wakesOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status(pid))?.[1]);
}

function lockedOf(pid: number): number {
  return kilobytes(`/proc/${pid}/status`, "VmLck");
}

/** The region is shared by all: it is counted in the handler. */
function privateOf(pid: number): number {
  return lockedOf(pid) - kilobytes(`/proc/${pid}/status`, "RssShmem");
}

function status(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, "utf8");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
