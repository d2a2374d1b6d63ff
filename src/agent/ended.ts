// SPDX-License-Identifier: MIT
/**
 * Who was in a group during an incident, held memory there, and had ended when it closed.
 *
 * Of a designated handler or a hook nobody tells us whom it killed; that these have ended is what we can know of it.
 */

import { readIfThere } from "../cgroup/files.ts";
import type { KernelKill } from "../feed/protocol.ts";
import { limit } from "../native/layout.ts";
import type { Recorded } from "./history.ts";

/** Whoever freed a group killed few; a group that ended whole is not listed to its last. */
const ENDED_MOST = 16;

export function endedOf({ frames, processes }: Recorded): KernelKill[] {
  const most = new Map<number, number>();
  for (const frame of frames)
    for (const [pid, bytes] of frame.processes) most.set(pid, Math.max(bytes, most.get(pid) ?? 0));
  return [...most]
    .filter(([, bytes]) => bytes >= limit.KILL_MIN_BYTES)
    .filter(([pid]) => !isAlive(pid, processes[pid]?.start ?? 0))
    .sort(([, a], [, b]) => b - a)
    .slice(0, ENDED_MOST)
    .map(([pid, rss_bytes]) => ({ pid, comm: processes[pid]?.comm ?? "", rss_bytes }));
}

// --- internal ---

/** By proc_pid_stat(5): state is field 3, the start time 22; a name may have brackets. A zombie has given its memory back, unless it is a leader
 * whose threads go on (field 20). */
function isAlive(pid: number, start: number): boolean {
  const stat = readIfThere(`/proc/${pid}/stat`) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const isOver = fields[0] === "X" || (fields[0] === "Z" && Number(fields[20 - 3]) <= 1);
  return !isOver && Number(fields[22 - 3]) === start;
}
