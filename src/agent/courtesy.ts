// SPDX-License-Identifier: MIT
/**
 * Telling is in no hurry: behind an OOM the CPU is for those who had to wait. A neighbour that wakes while the agent tells comes
 * first then, where it else waits for 3 ms on the only CPU (measured). Not where many groups are at OOM, and the logs fill.
 */
import { getPriority, setPriority } from "node:os";

const NICER = 10;
const NICEST = 19;

let isFree: boolean | undefined;

/** Does the work at a lower priority; what it starts would inherit that. */
export function politely<T>(work: () => T): T {
  isFree ??= isFreeToComeBack();
  if (!isFree) return work();
  const before = getPriority();
  setPriority(Math.min(before + NICER, NICEST));
  try {
    return work();
  } finally {
    setPriority(before);
  }
}

// --- internal ---

/** Without CAP_SYS_NICE a priority can only be lowered; so it is raised first, by one. */
function isFreeToComeBack(): boolean {
  const before = getPriority();
  try {
    setPriority(before - 1);
    setPriority(before);
    return true;
  } catch {
    return false;
  }
}
