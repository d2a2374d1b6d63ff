// SPDX-License-Identifier: MIT
/**
 * The journal of an agent: incidents in a file (database.ts), written when none is open, or a little later.
 *
 * Where the file cannot be written the last incidents are kept in memory, that is told, and it is tried again until it can.
 */

import { renameSync, rmSync } from "node:fs";
import type { Message } from "../feed/protocol.ts";
import { Assembler } from "./assemble.ts";
import { codeOf, JournalFile } from "./database.ts";
import type { Incident } from "./incident.ts";
import type { IncidentPage, IncidentQuery, Journal, JournalState } from "./journal.ts";
import {
  incidentOf,
  isWanted,
  newestFirst,
  type Place,
  type Row,
  rowOf,
  summaryIn,
} from "./row.ts";

/** In memory while they cannot be written: a few KB each, 100 with the processes of a minute. */
const KEPT_MOST = 200;
/** Several that end together are written together. */
const WRITE_AFTER_MS = 100;
/** While another incident is open, no longer. */
const WAIT_MOST_MS = 5000;
const RETRY_MS = 2000;
const DAY_MS = 86_400_000;

export interface JournalSetup {
  readonly path: string;
  readonly keepDays: number;
  readonly keepBytes: number;
  /** What is told of the journal itself. */
  readonly tell: (state: Pick<JournalState, "ok" | "remark">) => void;
  /** With what the processes did before it. */
  readonly withMinute: (incident: Incident) => Incident;
  /** An incident is over. */
  readonly closed: (incident: Incident) => void;
  /** These are in the file. */
  readonly written: (ids: readonly string[]) => void;
}

interface Waiting {
  readonly row: Row;
  readonly sinceMs: number;
}

export class KeptIncidents implements Journal {
  readonly #setup: JournalSetup;
  readonly #assembler: Assembler;
  /** Guards by their open incidents. */
  readonly #open = new Map<string, string>();
  /** Oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #file: JournalFile | undefined;
  #remark: string | undefined;
  #timer: Timer | undefined;
  #written = 0;

  constructor(run: string, setup: JournalSetup) {
    this.#setup = setup;
    this.#assembler = new Assembler(run);
  }

  accept(message: Message): void {
    if (message.type === "incident.opened") this.#open.set(message.incident, message.guard);
    if (message.type === "incident.closed") this.#open.delete(message.incident);
    if (message.type === "released") this.#forget(message.guard);
    const assembled = this.#assembler.accept(message);
    if (assembled === undefined) return;
    const incident = this.#setup.withMinute(assembled);
    this.#keep(incident);
    if (message.type !== "hook") this.#setup.closed(incident);
  }

  /** A dead agent's, unless they are there; false: they cannot be written now. */
  keepLeft(incidents: readonly Incident[]): boolean {
    const isDone = this.#using((file) => {
      file.put(incidents.map(rowOf), false);
      return true;
    });
    return isDone ?? false;
  }

  list(query: IncidentQuery): IncidentPage {
    const { limit, from = 0 } = query;
    const since = Math.max(from, this.#since());
    const before = query.before === undefined ? undefined : this.#placeOf(query.before);
    if (query.before !== undefined && before === undefined) return { incidents: [], next: null };
    const wanted = { ...query, from: since, limit: limit + 1 };
    const kept = this.#using((file) => file.list(wanted, before)) ?? [];
    const found = [
      ...kept.filter(({ id }) => !this.#waiting.has(id)),
      ...[...this.#waiting.values()]
        .map(({ row }) => row)
        .filter((row) => isWanted(row, wanted) && isBehind(row, before))
        .map(summaryIn),
    ].sort(newestFirst);
    const incidents = found.slice(0, limit);
    return { incidents, next: found.length > limit ? (incidents.at(-1)?.id ?? null) : null };
  }

  get(id: string): Incident | undefined {
    const waiting = this.#waiting.get(id);
    return waiting === undefined ? this.#using((file) => file.get(id)) : incidentOf(waiting.row);
  }

  state(): JournalState {
    return {
      ok: this.#remark === undefined,
      ...(this.#remark !== undefined && { remark: this.#remark }),
      written: this.#written,
      kept_in_memory: this.#waiting.size,
    };
  }

  /** Writes what waits, if it can. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const incident of this.#assembler.unfinishedOfHost("released")) {
      this.#keep(incident);
      this.#setup.closed(incident);
    }
    if (this.#waiting.size > 0) this.#write();
    clearTimeout(this.#timer);
    this.#file?.close();
    this.#file = undefined;
  }

  // --- internal ---

  /** What is open there is not told of any more. */
  #forget(guard: string): void {
    for (const [incident, of] of this.#open) if (of === guard) this.#open.delete(incident);
  }

  #keep(incident: Incident): void {
    const { id } = incident;
    const sinceMs = this.#waiting.get(id)?.sinceMs ?? performance.now();
    this.#waiting.delete(id);
    this.#waiting.set(id, { row: rowOf(incident), sinceMs });
    // A hundred groups may have been in OOM together.
    if (this.#waiting.size > KEPT_MOST && this.#remark === undefined) this.#write();
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > KEPT_MOST && oldest !== undefined) this.#waiting.delete(oldest);
    this.#later(WRITE_AFTER_MS);
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const [oldest] = this.#waiting.values();
      const waitedMs = performance.now() - (oldest?.sinceMs ?? 0);
      if (this.#open.size > 0 && waitedMs < WAIT_MOST_MS) this.#later(WRITE_AFTER_MS);
      else this.#write();
    }, ms);
  }

  #write(): void {
    const rows = [...this.#waiting.values()].map(({ row }) => row);
    const isDone = this.#using((file) => {
      file.put(rows, true);
      this.#waiting.clear();
      this.#written += rows.length;
      this.#setup.written(rows.map(({ id }) => id));
      file.prune(this.#since(), this.#setup.keepBytes);
      return true;
    });
    if (isDone) this.#say(undefined);
  }

  /** undefined: it cannot be used now, which is told, and tried again. */
  #using<T>(use: (file: JournalFile) => T): T | undefined {
    try {
      return use(this.#opened());
    } catch (error) {
      this.#failed(error);
      this.#later(RETRY_MS);
      return undefined;
    }
  }

  #opened(): JournalFile {
    if (this.#file?.isThere() === false) {
      this.#file.close(); // somebody has removed it, or put another one there
      this.#file = undefined;
    }
    this.#file ??= JournalFile.open(this.#setup.path);
    return this.#file;
  }

  #failed(error: unknown): void {
    const { path } = this.#setup;
    const code = codeOf(error);
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) this.#moveAside();
    this.#say(`cannot write the journal ${path}: ${WHY[code] ?? (code || String(error))}`);
  }

  /** Whoever wants it back may try to mend it there. */
  #moveAside(): void {
    const { path } = this.#setup;
    this.#file?.close();
    this.#file = undefined;
    try {
      for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
      renameSync(path, `${path}.corrupt`);
    } catch {
      // Then it is in the way still, and is said to be.
    }
  }

  #say(remark: string | undefined): void {
    if (remark === this.#remark) return;
    this.#remark = remark;
    this.#setup.tell({ ok: remark === undefined, ...(remark !== undefined && { remark }) });
  }

  #placeOf(id: string): Place | undefined {
    return this.#waiting.get(id)?.row ?? this.#using((file) => file.place(id));
  }

  /** What is older is to be forgotten. */
  #since(): number {
    return Date.now() - this.#setup.keepDays * DAY_MS;
  }
}

// --- internal ---

const WHY: Readonly<Record<string, string>> = {
  SQLITE_FULL: "the disk is full: make room",
  ENOSPC: "the disk is full: make room",
  SQLITE_READONLY: "it is read-only",
  EROFS: "it is read-only",
  SQLITE_BUSY: "another program has locked it",
  SQLITE_CORRUPT: "it was damaged; it is kept beside it as .corrupt, and a new one is begun",
  SQLITE_NOTADB: "it was no journal; it is kept beside it as .corrupt, and a new one is begun",
  ELOOP: "it is a link: name the file itself",
};

function isBehind(row: Row, before: Place | undefined): boolean {
  return before === undefined || newestFirst(before, row) < 0;
}
