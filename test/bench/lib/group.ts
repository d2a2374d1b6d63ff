// SPDX-License-Identifier: MIT
/**
 * A memory group of the bench's own: of cgroup v1, where that has the memory controller, else of v2.
 *
 * Whatever happens, it is given back to the kernel's killer, emptied and removed at the end.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { onEnd } from "./cleanup.ts";

export const MIB = 1 << 20;
export const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
const ROOT = isV2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
const REMOVE_BOUND_MS = 3000;
const SETTLE_BOUND_MS = 30_000;
/** The helpers have joined their groups, and the other watcher has its thresholds too. */
const SETTLED_MS = 2000;
const MARGIN_BYTES = 16 * MIB; // src/cli/guards.ts: of a limit of 64 MB and more

/** Who joins a group: in one that is split each has a child group of its own. */
type Member = "leaker" | "neighbour";
const MEMBERS: readonly Member[] = ["leaker", "neighbour"];

export class Group {
  readonly path: string;
  #isSplit = false;

  constructor(name: string) {
    this.path = `${ROOT}/reprieve-bench-${name}-${process.pid}`;
    requireHost();
    onEnd(() => this.remove());
    mkdirSync(this.path);
  }

  limit(bytes: number): void {
    this.write(isV2 ? "memory.max" : "memory.limit_in_bytes", bytes);
  }

  /** v2: everybody sleeps who grows over this; what reprieve does by itself, with its default margin. */
  hold(): void {
    if (isV2) this.write("memory.high", Number(this.read("memory.max")) - MARGIN_BYTES);
  }

  /** v2: a child group for each member, for a killer that takes whole groups. */
  split(): void {
    writeFileSync(`${this.path}/cgroup.subtree_control`, "+memory");
    for (const member of MEMBERS) mkdirSync(`${this.path}/${member}`);
    this.#isSplit = true;
  }

  join(pid: number, member: Member = "neighbour"): void {
    this.write(this.#isSplit ? `${member}/cgroup.procs` : "cgroup.procs", pid);
  }

  usage(): number {
    return Number(this.read(isV2 ? "memory.current" : "memory.usage_in_bytes"));
  }

  /** True while the kernel's killer is off: on v2 nothing switches it off. */
  killerOff(): boolean {
    return !isV2 && isHeld(this.path);
  }

  pids(): number[] {
    const files = ["cgroup.procs", ...this.#children().map((name) => `${name}/cgroup.procs`)];
    return files.flatMap((file) => this.read(file).split("\n").filter(Boolean).map(Number));
  }

  async untilKillerOn(boundMs = 5000): Promise<void> {
    for (let waited = 0; this.killerOff(); waited += 5) {
      if (waited >= boundMs)
        throw new Error(`Cannot go on as the killer of ${this.path} stays off`);
      await Bun.sleep(5);
    }
  }

  async untilEmpty(boundMs = 5000): Promise<void> {
    for (let waited = 0; this.pids().length > 0; waited++) {
      if (waited >= boundMs) throw new Error(`Cannot go on as ${this.path} still holds processes`);
      await Bun.sleep(1);
    }
  }

  /** Safe to call twice. */
  remove(): void {
    if (!existsSync(this.path)) return;
    if (!isV2) this.write("memory.oom_control", 0);
    for (let waited = 0; waited < REMOVE_BOUND_MS; waited += 10) {
      for (const pid of this.pids()) killQuietly(pid);
      try {
        for (const name of this.#children()) rmdirSync(`${this.path}/${name}`);
        rmdirSync(this.path);
        return;
      } catch {
        Bun.sleepSync(10);
      }
    }
    throw new Error(`Cannot remove ${this.path} as it stays busy`);
  }

  read(file: string): string {
    return readFileSync(`${this.path}/${file}`, "utf8");
  }

  write(file: string, value: number): void {
    writeFileSync(`${this.path}/${file}`, String(value));
  }

  #children(): Member[] {
    return MEMBERS.filter((name) => existsSync(`${this.path}/${name}`));
  }
}

const UNAVAILABLE = 69; // sysexits.h: the host lacks something

/** Ends the program with one sentence when this host cannot run a bench on a real group. */
export function requireHost(): void {
  const missing = missingHere();
  if (missing === undefined) return;
  process.stderr.write(`${missing}\n`);
  process.exit(UNAVAILABLE);
}

function missingHere(): string | undefined {
  if (process.getuid?.() !== 0) {
    return "Cannot run as this needs root: it makes memory cgroups and fills them.";
  }
  const has = isV2 ? `${ROOT}/cgroup.subtree_control` : `${ROOT}/cgroup.event_control`;
  if (!existsSync(has)) return `Cannot run as this host has no memory controller at ${ROOT}.`;
  try {
    const probe = `${ROOT}/reprieve-bench-probe-${process.pid}`;
    mkdirSync(probe);
    rmdirSync(probe);
  } catch {
    return `Cannot run as the memory controller at ${ROOT} is not writable.`;
  }
  return undefined;
}

export function killQuietly(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

/** Until guarded groups far from their limits are left to the kernel's killer: the thresholds stand by which a watcher hears that
 * one comes near, and it has been seen for a second that none does. */
export async function untilSettled(paths: readonly string[]): Promise<void> {
  if (isV2) return await Bun.sleep(SETTLED_MS);
  for (const path of paths) {
    for (let waited = 0; isHeld(path); waited += 5) {
      if (waited >= SETTLE_BOUND_MS)
        throw new Error(`Cannot go on as the killer of ${path} stays off`);
      await Bun.sleep(5);
    }
  }
  await Bun.sleep(SETTLED_MS);
}

function isHeld(path: string): boolean {
  return readFileSync(`${path}/memory.oom_control`, "utf8").includes("oom_kill_disable 1");
}

/** Groups below one of the bench's; the last who was in there may still be dying. */
export async function removeChildren(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (let waited = 0; ; waited += 5) {
      try {
        rmdirSync(path);
        break;
      } catch (error) {
        if (waited >= REMOVE_BOUND_MS) throw error;
        await Bun.sleep(5);
      }
    }
  }
}
