// SPDX-License-Identifier: MIT
/**
 * Hop 6c: whom the kernel killed in a guarded group, in the kernel's own words: /dev/kmsg.
 *
 * The helpers see a count of kills go up, and no counter says which of the processes that are gone by then was killed and
 * which ended by itself; a newborn was in no snapshot. The log says it exactly, to who reads it a second late, too. Where
 * it cannot be read (containers, other users), and of what it leaves out (over 10 OOMs of the host in 5 s), nobody is
 * named: never a guess.
 */

import type { KernelKill } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import { groupsOf, KillReader } from "./kernel-kills.ts";

/**
 * A turn's: an OOM of 3,000 processes. Each record is read by a call of its own, and a kernel that finds nobody to kill logs
 * faster than that: without an end nothing would be told any more.
 */
const READS_MAX = 4096;
/** A kill may be logged so long before its incident opens: the agent reads once a second. */
const BEFORE_MS = 2000;
/** A guard whose kills are in no incident keeps its last. */
const KEPT_MAX = 16;

interface Seen extends KernelKill {
  readonly seenMs: number;
}

export class KernelLog {
  /** Why nobody will be named; undefined: it can be read. */
  readonly lack: string | undefined;
  readonly #kills: KillReader;
  /** By group, relative to the root of the hierarchy. */
  readonly #seen = new Map<string, Seen[]>();

  /** What was logged before is not looked at. */
  constructor(core: Core) {
    this.#kills = new KillReader(core, "end");
    const why = this.#kills.whyNot;
    this.lack = why && `whom the kernel kills cannot be told: its log /dev/kmsg: ${why}`;
  }

  follow(group: string): void {
    this.#seen.set(group, []);
  }

  forget(group: string): void {
    this.#seen.delete(group);
  }

  /** Takes what is new. */
  read(): void {
    for (const found of this.#kills.read(READS_MAX)) {
      for (const group of groupsOf(found.oomLine)) {
        const seen = this.#seen.get(group);
        if (seen === undefined) continue;
        seen.push({ ...found.kill, seenMs: performance.now() });
        if (seen.length > KEPT_MAX) seen.shift();
      }
    }
  }

  /** The kernel's kills of an incident that has just closed. */
  take(group: string, durationMs: number): KernelKill[] {
    const seen = this.#seen.get(group)?.splice(0) ?? [];
    const sinceMs = performance.now() - durationMs - BEFORE_MS;
    return seen.flatMap(({ seenMs, ...kill }) => (seenMs >= sinceMs ? [kill] : []));
  }

  close(): void {
    this.#kills.close();
  }
}
