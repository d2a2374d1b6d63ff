// SPDX-License-Identifier: MIT
/** Files that may be missing, or closed to us. */

import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function isWritable(path: string): boolean {
  return whyNotWritable(path) === undefined;
}

/**
 * The errno, like "EACCES". access(2) leaves out the capabilities that a user may have been given, as in a container; it counts root's, and
 * in a user namespace those are good for what is mapped there only.
 */
export function whyNotWritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    const errno = codeOf(error);
    return errno === "EACCES" && mayOverride() ? undefined : errno;
  }
}

/** A line "NAME BYTES" of memory.stat; 0 where there is none. */
export function statIn(group: string, name: string): number {
  const stat = readIfThere(join(group, "memory.stat")) ?? "";
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** undefined: nothing is there. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

// --- internal ---

const CAP_DAC_OVERRIDE = 1n << 1n;

function mayOverride(): boolean {
  if (process.getuid?.() === 0) return false;
  const [, effective = "0"] =
    /^CapEff:\s*(\w+)$/m.exec(readIfThere("/proc/self/status") ?? "") ?? [];
  return (BigInt(`0x${effective}`) & CAP_DAC_OVERRIDE) !== 0n;
}
