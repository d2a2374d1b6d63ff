// SPDX-License-Identifier: MIT
/** A freezer group (cgroup v1) of a test's own: what it freezes is not run, not even to die. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { hierarchy } from "./paths.ts";
import type { Need } from "./require.ts";
import { until } from "./wait.ts";

const root = hierarchy("freezer");
const living = new Set<Freezer>();
let made = 0;

export const freezerV1: Need = () => (root === null ? "no cgroup v1 freezer is mounted" : null);

export class Freezer {
  readonly path: string;

  /** Moving waits for an RCU grace period; freezing does not. */
  constructor(pids: readonly number[]) {
    made += 1;
    this.path = `${root}/reprieve-kernel-${process.pid}-${made}`;
    mkdirSync(this.path);
    living.add(this);
    for (const pid of pids) writeFileSync(`${this.path}/cgroup.procs`, String(pid));
  }

  freeze(): void {
    writeFileSync(`${this.path}/freezer.state`, "FROZEN");
  }

  thaw(): void {
    writeFileSync(`${this.path}/freezer.state`, "THAWED");
  }

  /** Thaws; who lives is back in the group from which all started. */
  async remove(): Promise<void> {
    this.thaw();
    const procs = () => readFileSync(`${this.path}/cgroup.procs`, "utf8").split("\n");
    for (const pid of procs().filter(Boolean)) {
      try {
        writeFileSync(`${root}/cgroup.procs`, pid);
      } catch {} // it has just died
    }
    await until("an empty freezer", () => readFileSync(`${this.path}/tasks`, "utf8") === "");
    rmdirSync(this.path);
    living.delete(this);
  }
}

/** For afterEach: what a failed test left frozen. */
export async function thawAll(): Promise<void> {
  for (const freezer of living) await freezer.remove();
}
