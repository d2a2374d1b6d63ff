// SPDX-License-Identifier: MIT
/** Where incidents are read: the journal's file, with what dead reprieves have left for it, and the reprieves that run. */

import { existsSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { Guards, IncidentList } from "../http/schema.ts";
import { codeOf, JournalFile } from "../journal/database.ts";
import { leftBehind } from "../journal/harvest.ts";
import { Incident, type IncidentSummary } from "../journal/incident.ts";
import type { IncidentQuery } from "../journal/journal.ts";
import { leftRowOf } from "../journal/row.ts";
import { openCore } from "../native/core.ts";
import { visible } from "../shown.ts";
import { type Agent, agentsNow } from "./agents.ts";
import { askApi } from "./api.ts";
import { say } from "./output.ts";
import { journalOf } from "./which-journal.ts";

/** Of one answer (http/schema.ts). */
const PAGE_MOST = 500;

export interface Which {
  readonly journal?: string;
  readonly config?: string;
  /** Of a reprieve that runs, instead. */
  readonly url?: string;
  readonly token?: string;
  readonly ca?: string;
}

export type Query = Pick<IncidentQuery, "name" | "outcome" | "from" | "to" | "limit">;

export interface Source {
  /** For a person. */
  readonly name: string;
  /** Newest first. */
  list(query: Query): Promise<readonly IncidentSummary[]>;
  get(id: string): Promise<Incident | undefined>;
  /** Of those whose id begins so. */
  idsFrom(begin: string): Promise<readonly string[]>;
  /** The guard of such a one that is not over yet. */
  openFrom(begin: string): Promise<string | undefined>;
}

/** What is named; else the host's journal, and what is known to the reprieves that run, who may keep it elsewhere, or not yet. */
export function sourcesOf(which: Which): Source[] {
  const { journal, config, url, token, ca } = which;
  if (url !== undefined) return [new Asked({ url, token, ca }, (error) => Promise.reject(error))];
  const isNamed = journal !== undefined || config !== undefined;
  const asked = (isNamed ? [] : agentsNow(ca === undefined ? {} : { ca })).map(
    (agent) => new Asked(agent, async ({ message }) => say(message)),
  );
  const path = journal ?? journalOf(config, (file) => mistaken(file, config !== undefined));
  if (path !== "none") return [...asked, new Read(path)];
  if (asked.length > 0) return asked;
  throw new CliError(exit.usage, "there is no journal: give --journal FILE");
}

// --- internal ---

class Read implements Source {
  readonly name: string;
  /** undefined: there is none yet. */
  readonly #file: JournalFile | undefined;

  constructor(path: string) {
    this.name = path;
    bringIn(path);
    this.#file = existsSync(path) ? readable(path, () => JournalFile.read(path)) : undefined;
  }

  async list(query: Query) {
    return this.#using((file) => file.list(query)) ?? [];
  }

  async get(id: string) {
    return this.#using((file) => file.get(id));
  }

  async idsFrom(begin: string) {
    return this.#using((file) => file.idsFrom(begin)) ?? [];
  }

  async openFrom() {
    return undefined;
  }

  #using<T>(use: (file: JournalFile) => T): T | undefined {
    const file = this.#file;
    return file && readable(this.name, () => use(file));
  }
}

class Asked implements Source {
  readonly name: string;
  readonly #agent: Agent;
  readonly #failed: (error: CliError) => Promise<void>;
  #isSilent = false;

  /** `failed`: it does not answer; it is not asked again. */
  constructor(agent: Agent, failed: (error: CliError) => Promise<void>) {
    this.name = agent.url;
    this.#agent = agent;
    this.#failed = failed;
  }

  async list({ limit, ...query }: Query) {
    const found: IncidentSummary[] = [];
    let before: string | undefined;
    do {
      const parameters = {
        ...query,
        before,
        limit: Math.min(limit - found.length, PAGE_MOST),
      };
      const page = await this.#ask(`/api/incidents?${queryOf(parameters)}`, IncidentList);
      found.push(...(page?.incidents ?? []));
      if (page?.unread !== undefined)
        say(`${visible(this.name)}: not all: ${visible(page.unread)}`);
      before = page?.next ?? undefined;
    } while (before !== undefined && found.length < limit);
    return found;
  }

  get(id: string) {
    return this.#ask(`/api/incidents/${encodeURIComponent(id)}`, Incident);
  }

  async idsFrom(begin: string) {
    const all = await this.list({ limit: Number.POSITIVE_INFINITY });
    return all.map(({ id }) => id).filter((id) => id.startsWith(begin));
  }

  async openFrom(begin: string) {
    const answer = await this.#ask("/api/guards", Guards);
    return answer?.guards.find(({ incident }) => incident?.id?.startsWith(begin))?.guard;
  }

  async #ask<T extends import("valibot").GenericSchema>(path: string, schema: T) {
    if (this.#isSilent) return undefined;
    try {
      return await askApi(this.#agent, path, schema);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      this.#isSilent = true;
      await this.#failed(error);
      return undefined;
    }
  }
}

function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(key, String(value));
  }
  return query.toString();
}

/** What dead reprieves have left for this journal; who may not write it is told what is missing. */
function bringIn(path: string): void {
  for (const { incidents: left, remove } of leftBehind(openCore(), path, say)) {
    try {
      if (left.length > 0) {
        const file = JournalFile.open(path);
        file.put(left.map(leftRowOf), false);
        file.close();
      }
      remove();
    } catch (error) {
      const count = left.length === 1 ? "1 incident" : `${left.length} incidents`;
      say(`${count} of a dead reprieve cannot be written to ${path}: ${(error as Error).message}`);
    }
  }
}

const WHY: Readonly<Record<string, string>> = {
  SQLITE_NOTADB: "it is no journal, or damaged",
  SQLITE_ERROR: "it is no journal",
  SQLITE_CORRUPT: "it is damaged",
  SQLITE_CANTOPEN: "this user may not read it, or it is no file",
  SQLITE_IOERR_READ: "it is no file, or its disk fails",
  SQLITE_BUSY: "another program has locked it",
};

function readable<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    const code = codeOf(error);
    const why = WHY[code] ?? (code || (error as Error).message);
    throw new CliError(exit.notPermitted, `cannot read the journal ${visible(path)}: ${why}`);
  }
}

/** Of a file that nobody has named nobody expects that it is without mistakes. */
function mistaken(file: string, isNamed: boolean): void {
  const text = `${visible(file)} cannot be read, or has mistakes: reprieve check tells which`;
  if (isNamed) throw new CliError(exit.badConfig, text);
  say(text);
}
