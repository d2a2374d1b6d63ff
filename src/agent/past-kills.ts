// SPDX-License-Identifier: MIT
/**
 * Whom the kernel killed in incidents of a dead agent, as far as its log goes back (kernel-log.ts). The log's clock goes away from
 * ours by what that was corrected by since boot: where that is too much, and where two incidents could have a kill, nobody is named.
 */

import type { KernelKill } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import { groupsOf, KillReader } from "./kernel-kills.ts";

/** A log of 16 MiB, of lines as short as any. */
const READS_MAX = 1 << 17;
/** Of clocks. */
const DRIFT_MS = 500;
/** An incident that opens because the kernel has killed is seen so late: at the next look at a quiet group. */
const SEEN_LATE_MS = 1500;
/** A hand-over's kill may come when its incident has closed. */
const AFTER_MS = 1000;

/** An incident, in ms of our clock. */
export interface Span {
  /** Relative to the root of the hierarchy. */
  readonly group: string;
  readonly cause: string;
  readonly openedMs: number;
  readonly closedMs: number;
}

/** A kill in the log. */
export interface Logged {
  readonly kill: KernelKill;
  readonly groups: readonly string[];
  readonly ms: number;
}

/** All that the log still has. */
export function loggedKills(core: Core): Logged[] {
  const reader = new KillReader(core, "begin");
  const kills = [...reader.read(READS_MAX)].map(({ kill, oomLine, tUs }) => {
    return { kill, groups: groupsOf(oomLine), ms: tUs / 1000 };
  });
  reader.close();
  return kills;
}

/** Of each of these incidents, in their order. */
export function pastKills(kills: readonly Logged[], spans: readonly Span[]): KernelKill[][] {
  const found: KernelKill[][] = spans.map(() => []);
  for (const logged of kills) {
    const [index, ...more] = spans.flatMap((span, at) => (isIn(logged, span) ? [at] : []));
    if (index !== undefined && more.length === 0) found[index]?.push(logged.kill);
  }
  return found;
}

// --- internal ---

function isIn({ groups, ms }: Logged, { group, cause, openedMs, closedMs }: Span): boolean {
  const beforeMs = cause === "kernel-kill" ? SEEN_LATE_MS : DRIFT_MS;
  return groups.includes(group) && ms >= openedMs - beforeMs && ms <= closedMs + AFTER_MS;
}
