// SPDX-License-Identifier: MIT
/** A group of a test's own that freezes: what is in it is not run, on cgroup v1 not even to die. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { memory } from "./memory.ts";
import { hierarchy } from "./paths.ts";
import type { Need } from "./require.ts";
import { until } from "./wait.ts";

const v1Root = hierarchy("freezer");
const living = new Set<Freezer>();
let made = 0;

export const freezing: Need = () =>
  v1Root !== null || memory.version === 2 ? null : "no cgroup v1 freezer is mounted";

/** v1 has a hierarchy of its own for it. On v2 they stay where their memory is, one group deeper. */
export class Freezer {
  readonly path: string;
  readonly #home: string;

  /** Moving waits for an RCU grace period; freezing does not. */
  constructor(pids: readonly number[]) {
    made += 1;
    this.#home = v1Root ?? groupOf(pids[0] ?? 0);
    this.path = `${this.#home}/reprieve-kernel-${process.pid}-${made}`;
    mkdirSync(this.path);
    living.add(this);
    for (const pid of pids) writeFileSync(`${this.path}/cgroup.procs`, String(pid));
  }

  freeze(): void {
    this.#write(true);
  }

  thaw(): void {
    this.#write(false);
  }

  /** Thaws; who lives is back in the group from which all started. */
  async remove(): Promise<void> {
    living.delete(this);
    if (!existsSync(this.path)) return; // its home has ended with it
    this.thaw();
    const procs = () => readFileSync(`${this.path}/cgroup.procs`, "utf8").split("\n");
    for (const pid of procs().filter(Boolean)) {
      try {
        writeFileSync(`${this.#home}/cgroup.procs`, pid);
      } catch {} // it has just died
    }
    await until("an empty freezer", () => procs().join("") === "");
    await until("the freezer to go", () => tryRemove(this.path));
  }

  #write(frozen: boolean): void {
    if (v1Root === null) writeFileSync(`${this.path}/cgroup.freeze`, frozen ? "1" : "0");
    else writeFileSync(`${this.path}/freezer.state`, frozen ? "FROZEN" : "THAWED");
  }
}

/** For afterEach: what a failed test left frozen. */
export async function thawAll(): Promise<void> {
  for (const freezer of living) await freezer.remove();
}

/** Of cgroup v2. */
function groupOf(pid: number): string {
  const own = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "/";
  return memory.root + own;
}

function tryRemove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return !existsSync(path); // EBUSY until the last task has left it
  }
}
