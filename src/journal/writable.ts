// SPDX-License-Identifier: MIT
/** Whether a journal could be written now. May be stuck in its disk: only the keeper looks. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { codeOf, JournalFile } from "./database.ts";

/** An incident takes a few KB, SQLite's log beside it up to 1 MiB. */
const FREE_LEAST_BYTES = 2 << 20;
/** asm-generic/fcntl.h, of x86 and arm64; a file without a name: nothing is left of it. */
const O_TMPFILE = 0o20_000_000;
const FULL = "its disk is full, make room";

export interface Look {
  /** It is there. */
  readonly bytes?: number;
  /** Why it could not be written. */
  readonly why?: string;
}

export function lookAt(path: string): Look {
  const why = whyNotWritten(path);
  return {
    ...(existsSync(path) && { bytes: statSync(path).size }),
    ...(why !== undefined && { why }),
  };
}

// --- internal ---

function whyNotWritten(path: string): string | undefined {
  const place = existingOf(path);
  try {
    if (place === path) JournalFile.read(path).close();
    accessSync(place, constants.W_OK);
    tryToWrite(place === path ? dirname(path) : place);
  } catch (error) {
    if (codeOf(error) === "ENOSPC") return FULL;
    return `incidents would be kept in memory only: ${codeOf(error) || (error as Error).message}`;
  }
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize < FREE_LEAST_BYTES ? FULL : undefined;
}

/** It, or the directory in which it or its own will be made. */
function existingOf(path: string): string {
  return existsSync(path) ? path : existingOf(dirname(path));
}

/** Only a write finds out whether the disk hangs; not every file system knows how to do that without a trace. */
function tryToWrite(dir: string): void {
  try {
    const fd = openSync(dir, O_TMPFILE | constants.O_DIRECTORY | constants.O_RDWR, 0o600);
    writeSync(fd, "?");
    closeSync(fd);
  } catch (error) {
    if (!["EOPNOTSUPP", "EISDIR"].includes(codeOf(error))) throw error;
  }
}
