// SPDX-License-Identifier: MIT
/**
 * Reads what the helpers of a running reprieve cost, from /proc and from the head of their
 * region.
 */
import { dlopen } from "bun:ffi";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { at, fd } from "../../../src/native/layout.ts";

export type Role = "handler" | "watchdog" | "spare";

/** Pid of the helper of this role among the agent's children. */
export function helperPid(agentPid: number, role: Role): number {
  const children = readFileSync(`/proc/${agentPid}/task/${agentPid}/children`, "utf8");
  for (const pid of children.split(" ").filter(Boolean)) {
    const [title] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (title === `reprieve-${role}`) return Number(pid);
  }
  throw new Error(`Cannot find reprieve-${role} among the children of ${agentPid}`);
}

const libc = dlopen("libc.so.6", {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
}).symbols;

/** CPU time of all its threads so far, of those that have ended too: by the process's clock, clock_getcpuclockid(3). */
export function cpuNs(pid: number): number {
  const time = new BigInt64Array(2);
  const clock = (~pid << 3) | 2;
  if (libc.clock_gettime(clock, time) !== 0) throw new Error(`Cannot read the clock of ${pid}`);
  return Number(time[0]) * 1e9 + Number(time[1]);
}

/** A "Name:   123 kB" line of a file such as /proc/PID/status, in KB. */
export function kilobytes(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(file, "utf8"));
  if (found === null) throw new Error(`Cannot find ${name} in ${file}`);
  return Number(found[1]);
}

/** Words of the region, read through the helper's descriptor. */
export class RegionHead {
  readonly #file: number;
  readonly recorderAt: number;

  constructor(pid: number) {
    this.#file = openSync(`/proc/${pid}/fd/${fd.REGION}`, "r");
    this.recorderAt = this.#word(at.region_recorder_offset);
  }

  /** Scans the sampler has finished. */
  snapshots(): number {
    return this.#word(this.recorderAt + at.recorder_snapshots);
  }

  close(): void {
    closeSync(this.#file);
  }

  #word(offset: number): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, offset);
    return Number(bytes.readBigUInt64LE());
  }
}
