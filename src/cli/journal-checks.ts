// SPDX-License-Identifier: MIT
/** What doctor finds of the journal: whether it could be read and written now, and whether a killed reprieve would lose incidents. */

import { baseInMemory, LOST_WITH_US } from "../agent/kept.ts";
import { KeptDisk } from "../journal/disk.ts";
import type { Look } from "../journal/writable.ts";
import { bytes } from "../shown.ts";
import { type Check, check } from "./proof-scene.ts";

export async function journalChecks(path: string): Promise<Check[]> {
  if (path === "none") return [check("journal", "note", "none: incidents are not written down")];
  const kept = baseInMemory();
  return [
    journalCheck(path, await lookAt(path)),
    kept === undefined
      ? check("region in memory", "note", `no tmpfs: ${LOST_WITH_US}`)
      : check("region in memory", "ok", kept),
  ];
}

// --- internal ---

async function lookAt(path: string): Promise<Look> {
  const disk = new KeptDisk(path);
  try {
    return await disk.ask("look");
  } catch (error) {
    return { why: `journal stuck: ${(error as Error).message}` };
  } finally {
    await disk.end();
  }
}

function journalCheck(path: string, { why, bytes: size }: Look): Check {
  if (why !== undefined) return check("journal", "note", `${path}: ${why}`);
  if (size === undefined) return check("journal", "ok", `${path}, from the first incident on`);
  return check("journal", "ok", `${path}, ${bytes(size)}`);
}
