// SPDX-License-Identifier: MIT
/** Where the journal of incidents is, and the one of a run. */

import { homedir } from "node:os";
import { join } from "node:path";
import type { ExportOptions } from "../config/export-schema.ts";
import type { Journaling, JournalingSetup } from "../journal/journaling.ts";
import { Lines } from "./output.ts";

/** What the command line and the config file say of it. */
export interface JournalOptions {
  /** Its file; undefined: where it is by default. */
  readonly journal?: string | "none";
  readonly keepDays?: number;
  readonly keepBytes?: number;
  readonly exports?: ExportOptions;
}

export const KEEP_DAYS = 30;
export const KEEP_SIZE = "64M";
const KEEP_BYTES = 64 << 20;

export function defaultJournal(
  uid: number = process.getuid?.() ?? 0,
  state: string | undefined = process.env.XDG_STATE_HOME,
): string {
  const base = state?.startsWith("/") ? state : join(homedir(), ".local/state");
  return join(uid === 0 ? "/var/lib" : base, "reprieve/journal.sqlite");
}

/** Not loaded where there is none: undefined. */
export async function openJournal(
  { journal, keepDays = KEEP_DAYS, keepBytes = KEEP_BYTES, exports }: JournalOptions,
  setup: Omit<JournalingSetup, "path" | "keepDays" | "keepBytes" | "exporters">,
): Promise<Journaling | undefined> {
  if (journal === "none") {
    if (exports !== undefined) setup.say("nothing is exported: there is no journal");
    return undefined;
  }
  const { Journaling } = await import("../journal/journaling.ts");
  const exporters = exports === undefined ? [] : await exportersOf(exports, setup);
  const path = journal ?? defaultJournal();
  return new Journaling({ ...setup, path, keepDays, keepBytes, exporters });
}

// --- internal ---

async function exportersOf(
  exports: ExportOptions,
  { core, say }: Pick<JournalingSetup, "core" | "say">,
) {
  const lines = new Lines(1, "incidents");
  const print = (line: string) => lines.write(line);
  return (await import("../journal/exports.ts")).exportersOf(exports, { core, print, say });
}
