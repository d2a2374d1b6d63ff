// SPDX-License-Identifier: MIT
/** `reprieve incidents`: what the journal has, whether a reprieve runs or not; and what dead ones have left for it. */

import { existsSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { codeOf, JournalFile, rowOf } from "../journal/database.ts";
import { leftBehind } from "../journal/harvest.ts";
import type { Incident } from "../journal/incident.ts";
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
  const path = demandJournal(options);
  bringIn(path);
  const file = openToRead(path);
  const found = file === undefined ? [] : listed(file, options);
  if (what === "list") {
    await print(found.map((one) => (options.json ? JSON.stringify(one) : incidentLine(one))));
    if (found.length === 0) say("no incident is known");
    return exit.ok;
  }
  const one = demandOne(path, file, id ?? found[0]?.id);
  await print(options.json ? [JSON.stringify(one)] : incidentLines(one));
  return exit.ok;
}

/** The newest where none is named. */
export function readIncident(id?: string, journal?: string): Incident {
  const path = demandJournal({ journal });
  bringIn(path);
  const file = openToRead(path);
  return demandOne(path, file, id ?? file?.list({ limit: 1 })[0]?.id);
}

// --- internal ---

function demandJournal({
  journal,
  config,
}: {
  journal?: string | undefined;
  config?: string;
}): string {
  const path = journal ?? journalOf(config);
  if (path === "none") throw new CliError(exit.usage, "there is no journal: give --journal FILE");
  return path;
}

function demandOne(path: string, file: JournalFile | undefined, id: string | undefined): Incident {
  const one = id === undefined ? undefined : file?.get(id);
  if (one !== undefined) return one;
  throw new CliError(exit.noGroup, `no incident ${visible(id ?? "is known")} in ${path}`);
}

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
