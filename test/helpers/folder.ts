// SPDX-License-Identifier: MIT
/** A folder of a test's own; its name says of which process, so that one that is left is seen (left.ts). */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

const TRIES = 5;

export function makeFolder(name: string, base = tmpdir()): string {
  return mkdtempSync(`${base}/reprieve-${name}-${process.pid}-`);
}

/** With all that is in it. */
export function removeFolder(path: string): void {
  // Where another process takes a file meanwhile, Bun leaves the rest, and says nothing.
  for (let tries = 1; existsSync(path); tries++) {
    if (tries > TRIES) throw new Error(`${path} does not go: somebody still writes there`);
    rmSync(path, { recursive: true, force: true });
  }
}
