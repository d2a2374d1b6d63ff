// SPDX-License-Identifier: MIT
/**
 * A memory cgroup of a test's own. destroy() leaves nothing: the kernel's killer on, everybody
 * dead, the directories gone, however the test ended.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { memory, type Oom } from "./memory.ts";
import { until } from "./wait.ts";

export const MB = 1 << 20;

let made = 0;
const living = new Set<Group>();

export class Group {
  path: string;

  constructor(name: string, { limit, parent }: { limit?: number; parent?: Group } = {}) {
    const own = parent ? `${parent.path}/${name}` : undefined;
    made += 1;
    this.path = own ?? `${memory.root}/reprieve-kernel-${process.pid}-${made}-${name}`;
    mkdirSync(this.path, { recursive: own !== undefined });
    if (parent === undefined || limit !== undefined) memory.handDown(dirname(this.path));
    if (parent === undefined) living.add(this);
    if (limit !== undefined) this.setLimit(limit);
  }

  /** On v2 one with a limit takes a parent without processes of its own. */
  child(name: string, limit?: number): Group {
    return new Group(name, { parent: this, ...(limit !== undefined && { limit }) });
  }

  read(file: string): string {
    return readFileSync(`${this.path}/${file}`, "utf8").trim();
  }

  write(file: string, text: string): void {
    writeFileSync(`${this.path}/${file}`, text);
  }

  /** Where a guarded group is full: on v2 that is the margin below its memory.max. */
  setLimit(bytes: number): void {
    this.write(memory.limitFile, String(memory.limitFor(bytes)));
  }

  limit(): number {
    return memory.fullAt(Number(this.read(memory.limitFile)));
  }

  setNoLimit(): void {
    this.write(memory.limitFile, memory.noLimit);
  }

  /**
   * The container default: no swap beyond the limit. Where there is no swap accounting, nothing.
   */
  setSwapLimit(bytes: number): void {
    const [file, text] = memory.swap(bytes);
    if (existsSync(`${this.path}/${file}`)) this.write(file, text);
  }

  usage(): number {
    return Number(this.read(memory.usageFile));
  }

  oom(): Oom {
    return memory.oom(this.path);
  }

  /** As somebody else would. */
  hold(): void {
    this.write(memory.switchFile, memory.hold(this.limit()));
  }

  letGo(): void {
    letGo(this.path);
  }

  add(pid: number): void {
    this.write("cgroup.procs", String(pid));
  }

  /** Pids of the group and its descendants. */
  procs(): number[] {
    return tree(this.path).flatMap((path) => procsOf(path));
  }

  rename(path: string): void {
    renameSync(this.path, path);
    this.path = path;
  }

  /** After its end: another one under the same name. */
  renew(limit: number): void {
    mkdirSync(this.path);
    living.add(this);
    this.setLimit(limit);
  }

  exists(): boolean {
    return existsSync(this.path);
  }

  /** Kills everybody in it; it stays. */
  async empty(): Promise<void> {
    await until(`${this.path} to be empty`, () => {
      const pids = this.procs();
      for (const pid of pids) kill(pid, "SIGKILL");
      return pids.length === 0;
    });
  }

  async destroy(): Promise<void> {
    living.delete(this);
    if (!this.exists()) return;
    for (const path of tree(this.path)) letGo(path);
    await this.empty();
    await until(`${this.path} to go`, () => {
      for (const path of tree(this.path).reverse()) {
        try {
          rmdirSync(path);
        } catch {} // EBUSY until the last task has left it
      }
      return !this.exists();
    });
  }
}

/** For afterAll: what a failed test left behind. */
export async function destroyGroups(): Promise<void> {
  for (const group of living) await group.destroy();
}

/** Signals; false when the process is gone. */
export function kill(pid: number, signal: NodeJS.Signals): boolean {
  if (pid <= 0) throw new Error(`${pid} is no process`); // kill(2) would take it for a group, or for all
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** One without a memory controller has no switch. */
function letGo(path: string): void {
  const file = `${path}/${memory.switchFile}`;
  if (existsSync(file)) writeFileSync(file, memory.letGo);
}

/** The directory and all below it, parents first. */
function tree(path: string): string[] {
  const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [path, ...below.flatMap((entry) => tree(`${path}/${entry.name}`))];
}

/** A threaded group of v2 cannot be read: its processes are those of the group above. */
function procsOf(path: string): number[] {
  const isThreaded =
    existsSync(`${path}/cgroup.type`) &&
    !/^domain$/m.test(readFileSync(`${path}/cgroup.type`, "utf8"));
  return (isThreaded ? "" : readFileSync(`${path}/cgroup.procs`, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map(Number)
    .filter((pid) => pid > 1);
}
