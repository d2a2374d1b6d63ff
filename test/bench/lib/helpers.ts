// SPDX-License-Identifier: MIT
/**
 * Reads what the helpers of a running reprieve cost, from /proc and from the head of their
 * region.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
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

/** CPU time of all its threads so far. */
export function cpuNs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) => {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  });
  return times.reduce((sum, time) => sum + time, 0);
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
