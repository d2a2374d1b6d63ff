// SPDX-License-Identifier: MIT
/** What doctor finds of the journal: whether it could be read and written now, and whether a killed reprieve would lose incidents. */

import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { baseInMemory, LOST_WITH_US } from "../agent/kept.ts";
import { codeOf, JournalFile } from "../journal/database.ts";
import { type Check, check } from "./proof-scene.ts";
import { bytes } from "./timeline.ts";

/** An incident takes a few KB, SQLite's log beside it up to 1 MiB. */
const FREE_LEAST_BYTES = 2 << 20;

export function journalChecks(path: string): Check[] {
  if (path === "none") return [check("journal", "note", "none: incidents are not written down")];
  const kept = baseInMemory();
  return [
    journalCheck(path),
    kept === undefined
      ? check("region in memory", "note", `no tmpfs: ${LOST_WITH_US}`)
      : check("region in memory", "ok", kept),
  ];
}

// --- internal ---

function journalCheck(path: string): Check {
  const why = whyNotWritten(path);
  if (why !== undefined) return check("journal", "note", `${path}: ${why}`);
  if (!existsSync(path)) return check("journal", "ok", `${path}, from the first incident on`);
  return check("journal", "ok", `${path}, ${bytes(statSync(path).size)}`);
}

function whyNotWritten(path: string): string | undefined {
  const place = existingOf(path);
  try {
    if (place === path) JournalFile.read(path).close();
    accessSync(place, constants.W_OK);
  } catch (error) {
    return `incidents would be kept in memory only: ${codeOf(error) || (error as Error).message}`;
  }
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize < FREE_LEAST_BYTES ? "its disk is full, make room" : undefined;
}

/** It, or the directory in which it or its own will be made. */
function existingOf(path: string): string {
  return existsSync(path) ? path : existingOf(dirname(path));
}
