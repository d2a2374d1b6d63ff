// SPDX-License-Identifier: MIT
/**
 * Hop 6c: whom the kernel killed in a guarded group, in the kernel's own words: /dev/kmsg.
 *
 * The helpers see a count of kills go up, and no counter says which of the processes that are gone by then was killed and
 * which ended by itself; a newborn was in no snapshot. The log says it exactly, to who reads it a second late, too. Where
 * it cannot be read (containers, other users), and of what it leaves out (over 10 OOMs of the host in 5 s), nobody is
 * named: never a guess.
 */

import { closeSync, readlinkSync, readSync } from "node:fs";
import { codeOf } from "../cgroup/files.ts";
import type { KernelKill } from "../feed/protocol.ts";
import { type Core, errnoName } from "../native/core.ts";

/** Longer than any record (CONSOLE_EXT_LOG_MAX, printk/internal.h). */
const RECORD_BYTES = 8192;
/**
 * A turn's: an OOM of 3,000 processes. Each record is read by a call of its own, and a kernel that finds nobody to kill logs
 * faster than that: without an end nothing would be told any more.
 */
const READS_MAX = 4096;
/** A kill may be logged so long before its incident opens: the agent reads once a second. */
const BEFORE_MS = 2000;
/** A guard whose kills are in no incident keeps its last. */
const KEPT_MAX = 16;
/** The first namespaces (linux/proc_ns.h): the log's numbers and paths are theirs. */
const FIRST = ["pid:[4026531836]", "cgroup:[4026531835]"];

interface Seen extends KernelKill {
  readonly seenMs: number;
}

/**
 * Pairs the two lines of an OOM: the first one names the group, the second says that the process was killed; of one whose
 * leader is dead by the number of another thread, but then as the next record.
 */
export class KillLines {
  #oom: { pid: number; line: string; sequence: number } | undefined;

  /** A record of /dev/kmsg. A kill when it is the second of a pair. */
  accept(record: string): { kill: KernelKill; oomLine: string } | undefined {
    const [, facility = "8", number, escaped = ""] = /^(\d+),(\d+),[^;]*;(.*)/.exec(record) ?? [];
    if (Number(facility) >= 8) return undefined; // not the kernel's: whoever may write to the log
    const sequence = Number(number);
    const pid = /^oom-kill:.*,pid=(\d+),uid=\d+$/.exec(escaped)?.[1];
    if (pid !== undefined)
      this.#oom = { pid: Number(pid), line: unescapeRecord(escaped), sequence };
    const killed =
      /ut of memory: Killed process (\d+) \((.*)\) total-vm:\d+kB, anon-rss:(\d+)kB,/.exec(escaped);
    if (killed === null || this.#oom === undefined) return undefined;
    const [, task, comm = "", anonKb] = killed;
    const oom = this.#oom;
    if (Number(task) !== oom.pid && sequence !== oom.sequence + 1) return undefined;
    this.#oom = undefined;
    const kill = { pid: oom.pid, comm: unescapeRecord(comm), rss_bytes: Number(anonKb) * 1024 };
    return { kill, oomLine: oom.line };
  }
}

/** The group that the victim lived in and those above it, as far as can be told: names are hostile, a line that says it twice says
 * nothing, and what ends at a slash, or where the group may end, may be one. There may be a thousand guards to be found. */
export function groupsOf(oomLine: string): string[] {
  const [, rest = "", ...more] = oomLine.split(",task_memcg=");
  if (more.length > 0) return [];
  return [...rest.matchAll(/\/|,task=/g)].flatMap(({ index }) =>
    index > 0 ? [rest.slice(1, index)] : [],
  );
}

export class KernelLog {
  /** Why nobody will be named; undefined: it can be read. */
  readonly lack: string | undefined;
  readonly #fd: number;
  readonly #lines = new KillLines();
  readonly #record = new Uint8Array(RECORD_BYTES);
  /** By group, relative to the root of the hierarchy. */
  readonly #seen = new Map<string, Seen[]>();

  /** What was logged before is not looked at. */
  constructor(core: Core) {
    const fd = core.openKernelLog();
    const why = fd < 0 ? errnoName(fd) : whyNotOurs();
    if (why !== undefined && fd >= 0) closeSync(fd);
    this.#fd = why === undefined ? fd : -1;
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
    for (let i = 0; i < READS_MAX && this.#fd >= 0; i += 1) {
      const record = this.#readRecord();
      if (record === undefined) return;
      const found = this.#lines.accept(record);
      if (found === undefined) continue;
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
    if (this.#fd >= 0) closeSync(this.#fd);
  }

  // --- internal ---

  /** undefined: there is no more. */
  #readRecord(): string | undefined {
    try {
      const n = readSync(this.#fd, this.#record);
      return new TextDecoder().decode(this.#record.subarray(0, n));
    } catch (error) {
      // Records were overwritten before we came: the next read has those that are left.
      return codeOf(error) === "EPIPE" ? "" : undefined;
    }
  }
}

// --- internal ---

function whyNotOurs(): string | undefined {
  const ours = ["pid", "cgroup"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
  return ours.join() === FIRST.join() ? undefined : "it is the host's, whose numbers are others";
}

/** What is not printable ASCII, and the backslash, is written "\x1b". */
function unescapeRecord(text: string): string {
  const bytes = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return new TextDecoder().decode(Buffer.from(bytes, "latin1"));
}
