// SPDX-License-Identifier: MIT
/** `reprieve incidents`: those that were, whether a reprieve runs or not. */

import { CliError, exit } from "../errors.ts";
import type { Incident, IncidentSummary } from "../journal/incident.ts";
import { newestFirst } from "../journal/row.ts";
import { visible } from "../shown.ts";
import { type Query, type Source, sourcesOf, type Which } from "./incident-sources.ts";
import { incidentLines, incidentTable } from "./incident-text.ts";
import { print, say } from "./output.ts";
import { paperOf } from "./screen.ts";

interface IncidentsOptions extends Which, Pick<Query, "outcome" | "limit"> {
  /** As a person names it: journal/named.ts. */
  readonly guard?: string;
  /** Wall clock, ms. */
  readonly since?: number;
  readonly until?: number;
  readonly json?: true;
}

/** Of ids that begin alike. */
const NAMED_MOST = 3;

export async function incidents(
  what: "list" | "show",
  id: string | undefined,
  options: IncidentsOptions,
): Promise<number> {
  const { guard: name, outcome, since: from, until: to, limit, json } = options;
  const query = { name, outcome, from, to, limit };
  const sources = sourcesOf(options);
  if (what === "show") {
    const one = await demandIncident(sources, id, query);
    await print(json ? [JSON.stringify(one)] : incidentLines(one, paperOf().width));
    return exit.ok;
  }
  const found = await listed(sources, query);
  if (json) await print(found.map((one) => JSON.stringify(one)));
  else if (found.length > 0) await print(incidentTable(found, paperOf()));
  if (found.length === 0) say(noneIn(sources, query));
  return exit.ok;
}

/** The one whose id is this, or begins so; the newest where none is named. Throws where there is none, or several. */
export async function demandIncident(
  sources: readonly Source[],
  id: string | undefined,
  query: Query = { limit: 1 },
): Promise<Incident> {
  const wanted = id ?? (await listed(sources, { ...query, limit: 1 }))[0]?.id;
  if (wanted === undefined) throw new CliError(exit.noGroup, noneIn(sources, query));
  const one = await got(sources, wanted);
  if (one !== undefined) return one;
  const ids = await Promise.all(sources.map((source) => source.idsFrom(wanted)));
  const [only, ...others] = new Set(ids.flat());
  const found = only === undefined || others.length > 0 ? undefined : await got(sources, only);
  if (found !== undefined) return found;
  throw only === undefined
    ? await whyNone(sources, wanted)
    : new CliError(exit.noGroup, severalBegin(wanted, [only, ...others]));
}

// --- internal ---

/** What two of them know is listed once. */
async function listed(sources: readonly Source[], query: Query): Promise<IncidentSummary[]> {
  const all = await Promise.all(sources.map((source) => source.list(query)));
  const byId = new Map(all.flat().map((one) => [one.id, one]));
  return [...byId.values()].sort(newestFirst).slice(0, query.limit);
}

async function got(sources: readonly Source[], id: string): Promise<Incident | undefined> {
  const all = await Promise.all(sources.map((source) => source.get(id)));
  return all.find((one) => one !== undefined);
}

function noneIn(sources: readonly Source[], { name, outcome, from, to }: Query): string {
  const isNarrowed = [name, outcome, from, to].some((one) => one !== undefined);
  const where = sources.map((source) => visible(source.name)).join(", ");
  return `no incident ${isNarrowed ? "is like that" : "is known"}: looked in ${where}`;
}

function severalBegin(begin: string, ids: readonly string[]): string {
  const more = ids.length > NAMED_MOST ? ", ..." : "";
  const first = ids.toSorted().slice(0, NAMED_MOST).map(visible).join(", ");
  return `${ids.length} incidents begin with ${visible(begin) || "nothing"}: ${first}${more}`;
}

/** It may be open still: that is told by the reprieve whose it is. */
async function whyNone(sources: readonly Source[], id: string): Promise<CliError> {
  const open = await Promise.all(sources.map((source) => source.openFrom(id)));
  const guard = open.find((one) => one !== undefined);
  if (guard === undefined) return new CliError(exit.noGroup, `no incident ${visible(id)}`);
  const see = `reprieve watch ${visible(guard)} shows it`;
  return new CliError(exit.inUse, `incident ${visible(id)} is open still: ${see}; try again`);
}
