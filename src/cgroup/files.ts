// SPDX-License-Identifier: MIT
/** Files that may be missing, or closed to us. */

import { accessSync, constants, readFileSync, statSync } from "node:fs";

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

/** The errno, like "EACCES". */
export function whyNotWritable(path: string): string | undefined {
  try {
    accessSync(path, constants.W_OK);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** undefined: nothing is there. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
