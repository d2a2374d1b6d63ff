// SPDX-License-Identifier: MIT
/** Keeps the agent small: what of this binary's text only its start needed goes back to the kernel. */

import { readIfThere } from "../cgroup/files.ts";
import type { Core } from "../native/core.ts";

const START_MS = 1000;
const FORGET_MOST_MS = 60_000;
/** Behind so long a wait what is mapped goes too. */
const UNMAP_MS: readonly number[] = [START_MS, 16 * START_MS];

/**
 * In a group with a small limit, as a container's, all that is read of our file is charged to us: at the start 105 MB where the page cache is cold,
 * for 8 MB are read ahead of each page (measured; that depends on the disk). It is dropped, and what is read ahead later after twice the time,
 * up to a minute: what is run again stays mapped, and is not dropped again, but once when it is known what that is. Elsewhere all stays in the
 * page cache, for the next command.
 */
export function keepTextSmall(core: Core, isSmall: boolean, undo: AsyncDisposableStack): void {
  let timer: Timer;
  const forget = (waitedMs: number) => {
    core.forgetFile(process.execPath, UNMAP_MS.includes(waitedMs) ? ownText() : []);
    const waitMs = Math.min(2 * waitedMs, FORGET_MOST_MS);
    timer = setTimeout(() => forget(waitMs), waitMs);
  };
  timer = setTimeout(() => (isSmall ? forget(START_MS) : giveBackText(core)), START_MS);
  undo.defer(() => clearTimeout(timer));
}

/**
 * Half of the resident set is text that is never run again: 39 MB before, 24 after, of which the kernel may
 * charge less to our group (measured). Takes 5 ms once. What is needed again is read again from the file.
 */
export function giveBackText(core: Pick<Core, "pageout">): void {
  for (const { from, to } of ownText()) core.pageout(from, to);
}

/** The mappings of a file that nobody may write to, and nobody has: what the linker has put right is in no file. By proc_pid_smaps(5). */
export function textOf(path: string, smaps: string): { from: bigint; to: bigint }[] {
  return smaps.split(/\n(?=[0-9a-f]+-)/).flatMap((mapping) => {
    const [line = ""] = mapping.split("\n", 1);
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p /.exec(line) ?? [];
    const isClean = /^Anonymous: +0 kB$/m.test(mapping);
    if (from === undefined || !line.endsWith(` ${path}`) || !isClean) return [];
    return [{ from: BigInt(`0x${from}`), to: BigInt(`0x${to}`) }];
  });
}

// --- internal ---

function ownText(): { from: bigint; to: bigint }[] {
  return textOf(process.execPath, readIfThere("/proc/self/smaps") ?? "");
}
