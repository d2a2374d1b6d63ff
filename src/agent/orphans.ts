// SPDX-License-Identifier: MIT
/** Process 1 of a container gets the children of whoever dies there, and has to wait for them, or their numbers run out. */

import { readdirSync } from "node:fs";
import { readIfThere } from "../cgroup/files.ts";
import type { Core } from "../native/core.ts";

const LOOK_MS = 1000;

/** Bun waits for its own at once, and would miss one that is taken away: who still waits at the next look is an orphan. */
export function reapOrphans(core: Pick<Core, "zombie" | "reap">, undo: AsyncDisposableStack): void {
  if (process.pid !== 1) return;
  let waited = new Set<number>();
  const timer = setInterval(() => {
    const zombies = core.zombie() === 0 ? [] : zombiesOf(process.pid);
    for (const pid of zombies) if (waited.has(pid)) core.reap(pid);
    waited = new Set(zombies);
  }, LOOK_MS);
  undo.defer(() => clearInterval(timer));
}

// --- internal ---

/** By proc_pid_stat(5): "PID (NAME) STATE PARENT"; a name may have brackets. */
function zombiesOf(parent: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 1)
    .filter((pid) => {
      const stat = readIfThere(`/proc/${pid}/stat`) ?? "";
      return stat.slice(stat.lastIndexOf(")")).startsWith(`) Z ${parent} `);
    });
}
