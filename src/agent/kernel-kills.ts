// SPDX-License-Identifier: MIT
/** Kills in the kernel's log, /dev/kmsg: how they are read, and what their lines say. Names in them are hostile. */

import { closeSync, readlinkSync, readSync } from "node:fs";
import { codeOf } from "../cgroup/files.ts";
import type { KernelKill } from "../feed/protocol.ts";
import { type Core, errnoName } from "../native/core.ts";

/** Longer than any record (CONSOLE_EXT_LOG_MAX, printk/internal.h). */
const RECORD_BYTES = 8192;
/** The first namespaces (linux/proc_ns.h): the log's numbers and paths are theirs. */
const FIRST = ["pid:[4026531836]", "cgroup:[4026531835]"];

interface LoggedKill {
  readonly kill: KernelKill;
  readonly oomLine: string;
  /** By the log's clock: as CLOCK_MONOTONIC, but for what that was corrected by since boot. */
  readonly tUs: number;
}

/**
 * Pairs the two lines of an OOM: the first one names the group, the second says that the process was killed; of one whose
 * leader is dead by the number of another thread, but then as the next record.
 */
export class KillLines {
  #oom: { pid: number; line: string; sequence: number } | undefined;

  /** A record of /dev/kmsg. A kill when it is the second of a pair. */
  accept(record: string): LoggedKill | undefined {
    const [, facility = "8", number, time, escaped = ""] =
      /^(\d+),(\d+),(\d+),[^;]*;(.*)/.exec(record) ?? [];
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
    return { kill, oomLine: oom.line, tUs: Number(time) };
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

export class KillReader {
  /** Why there is nothing to be read. */
  readonly whyNot: string | undefined;
  readonly #fd: number;
  readonly #lines = new KillLines();
  readonly #record = new Uint8Array(RECORD_BYTES);

  /** Of all that is there still, or of what is logged from now on. */
  constructor(core: Core, from: "begin" | "end") {
    const fd = core.openKernelLog(from);
    this.whyNot = fd < 0 ? errnoName(fd) : whyNotOurs();
    if (this.whyNot !== undefined && fd >= 0) closeSync(fd);
    this.#fd = this.whyNot === undefined ? fd : -1;
  }

  /** What is new, of so many records. */
  *read(most: number): Generator<LoggedKill> {
    for (let i = 0; i < most && this.#fd >= 0; i += 1) {
      const record = this.#readRecord();
      if (record === undefined) return;
      const found = this.#lines.accept(record);
      if (found !== undefined) yield found;
    }
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
