// SPDX-License-Identifier: MIT
/** `reprieve incidents`: what the journal has, whether a reprieve runs or not; and what dead ones have left for it. */

import { existsSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { codeOf, JournalFile, rowOf } from "../journal/database.ts";
import { leftBehind } from "../journal/harvest.ts";
import type { IncidentQuery } from "../journal/journal.ts";
import { openCore } from "../native/core.ts";
import { incidentLine, incidentLines } from "./incident-text.ts";
import { print, say } from "./output.ts";
import { visible } from "./timeline.ts";
import { journalOf } from "./which-journal.ts";

export interface IncidentsOptions {
  readonly journal?: string;
  readonly config?: string;
  readonly guard?: string;
  readonly outcome?: IncidentQuery["outcome"];
  /** Wall clock, ms. */
  readonly since?: number;
  readonly until?: number;
  readonly limit: number;
  readonly json?: true;
}

export async function incidents(
  what: "list" | "show",
  id: string | undefined,
  options: IncidentsOptions,
): Promise<number> {
  const path = options.journal ?? journalOf(options.config);
  if (path === "none") throw new CliError(exit.usage, "there is no journal: give --journal FILE");
  bringIn(path);
  const file = openToRead(path);
  const found = file === undefined ? [] : listed(file, options);
  if (what === "list") {
    await print(found.map((one) => (options.json ? JSON.stringify(one) : incidentLine(one))));
    if (found.length === 0) say("no incident is known");
    return exit.ok;
  }
  const wanted = id ?? found[0]?.id;
  const one = wanted === undefined ? undefined : file?.get(wanted);
  if (one === undefined) {
    throw new CliError(exit.noGroup, `no incident ${visible(wanted ?? "is known")} in ${path}`);
  }
  await print(options.json ? [JSON.stringify(one)] : incidentLines(one));
  return exit.ok;
}

// --- internal ---

/** Newest first. */
function listed(file: JournalFile, { guard, outcome, since, until, limit }: IncidentsOptions) {
  return file.list({ guard, outcome, from: since, to: until, limit });
}

/** What dead reprieves have left for this journal; who may not write it is told what is missing. */
function bringIn(path: string): void {
  for (const { incidents: left, remove } of leftBehind(openCore(), path, say)) {
    try {
      const file = JournalFile.open(path);
      file.put(left.map(rowOf), false);
      file.close();
      remove();
    } catch (error) {
      const count = left.length === 1 ? "1 incident" : `${left.length} incidents`;
      say(`${count} of a dead reprieve cannot be written to ${path}: ${(error as Error).message}`);
    }
  }
}

/** undefined: there is none yet. */
function openToRead(path: string): JournalFile | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JournalFile.read(path);
  } catch (error) {
    const why = codeOf(error) || (error as Error).message;
    throw new CliError(exit.notPermitted, `cannot read the journal ${path}: ${why}`);
  }
}
