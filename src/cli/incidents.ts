// SPDX-License-Identifier: MIT
/** `reprieve incidents`: what the journal has, whether a reprieve runs or not; and what dead ones have left for it. */

import { existsSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { IncidentList } from "../http/schema.ts";
import { codeOf, JournalFile } from "../journal/database.ts";
import { leftBehind } from "../journal/harvest.ts";
import { Incident, type IncidentSummary } from "../journal/incident.ts";
import type { IncidentQuery } from "../journal/journal.ts";
import { rowOf } from "../journal/row.ts";
import { openCore } from "../native/core.ts";
import { askApi } from "./api.ts";
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
  /** Of a reprieve that runs, instead of the file. */
  readonly url?: string;
  readonly token?: string;
  readonly ca?: string;
}

export async function incidents(
  what: "list" | "show",
  id: string | undefined,
  options: IncidentsOptions,
): Promise<number> {
  const { list, get } = options.url === undefined ? ofFile(options) : ofApi(options);
  const found = what === "list" || id === undefined ? await list() : [];
  if (what === "list") {
    await print(found.map((one) => (options.json ? JSON.stringify(one) : incidentLine(one))));
    if (found.length === 0) say("no incident is known");
    return exit.ok;
  }
  const wanted = id ?? found[0]?.id;
  const one = demandOne(wanted, wanted === undefined ? undefined : await get(wanted));
  await print(options.json ? [JSON.stringify(one)] : incidentLines(one));
  return exit.ok;
}

/** The newest where none is named. */
export function readIncident(id?: string, journal?: string): Incident {
  const file = fileOf({ journal });
  const wanted = id ?? file?.list({ limit: 1 })[0]?.id;
  return demandOne(wanted, wanted === undefined ? undefined : file?.get(wanted));
}

// --- internal ---

/** Where incidents are asked for; newest first. */
interface Source {
  list(): Promise<readonly IncidentSummary[]> | readonly IncidentSummary[];
  get(id: string): Promise<Incident | undefined> | Incident | undefined;
}

function ofFile(options: IncidentsOptions): Source {
  const { guard, outcome, since, until, limit } = options;
  const file = fileOf(options);
  return {
    list: () => file?.list({ guard, outcome, from: since, to: until, limit }) ?? [],
    get: (id) => file?.get(id),
  };
}

interface Which {
  readonly journal?: string | undefined;
  readonly config?: string | undefined;
}

/** With what the dead have left for it; undefined: there is none yet. */
function fileOf({ journal, config }: Which): JournalFile | undefined {
  const path = journal ?? journalOf(config);
  if (path === "none") throw new CliError(exit.usage, "there is no journal: give --journal FILE");
  bringIn(path);
  return openToRead(path);
}

function demandOne(id: string | undefined, one: Incident | undefined): Incident {
  if (one !== undefined) return one;
  throw new CliError(exit.noGroup, `no incident ${visible(id ?? "is known")}`);
}

function ofApi({ url = "", token, ca, ...options }: IncidentsOptions): Source {
  const { guard, outcome, since: from, until: to, limit } = options;
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ guard, outcome, from, to, limit })) {
    if (value !== undefined) query.set(key, String(value));
  }
  return {
    list: async () =>
      (await askApi({ url, token, ca }, `/api/incidents?${query}`, IncidentList))?.incidents ?? [],
    get: (id) => askApi({ url, token, ca }, `/api/incidents/${encodeURIComponent(id)}`, Incident),
  };
}

/** What dead reprieves have left for this journal; who may not write it is told what is missing. */
function bringIn(path: string): void {
  for (const { incidents: left, remove } of leftBehind(openCore(), path, say)) {
    try {
      if (left.length > 0) {
        const file = JournalFile.open(path);
        file.put(left.map(rowOf), false);
        file.close();
      }
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
