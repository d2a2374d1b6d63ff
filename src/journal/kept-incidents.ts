// SPDX-License-Identifier: MIT
/**
 * The journal of an agent: incidents in a file (disk.ts), written when none is open, or a little later.
 *
 * Where the file cannot be written the last incidents are kept in memory, that is told, and it is tried again until it can.
 */

import type { Message } from "../feed/protocol.ts";
import { Assembler } from "./assemble.ts";
import type { Disk } from "./disk.ts";
import type { Incident } from "./incident.ts";
import {
  type IncidentPage,
  type IncidentQuery,
  type Journal,
  type JournalState,
  Unread,
} from "./journal.ts";
import type { Asks } from "./keeper.ts";
import {
  incidentOf,
  isWanted,
  leftRowOf,
  newestFirst,
  type Place,
  type Row,
  rowOf,
  summaryIn,
} from "./row.ts";

/** In memory while they cannot be written: a few KB each, 100 with the processes of a minute. */
const KEPT_MOST = 200;
/** The same while they are being written, a thousand groups in OOM together, and while it may be for a moment that they cannot. */
const BEHIND_MOST = 1000;
/** In a row, RETRY_MS apart. */
const FAILURES_OF_A_MOMENT = 5;
/** Of one write. */
const ROWS_MOST = 100;
/** Several that end together are written together. */
const WRITE_AFTER_MS = 100;
/** While another incident is open, no longer. */
const WAIT_MOST_MS = 5000;
const RETRY_MS = 2000;
const STOP_TICK_MS = 5;
const DAY_MS = 86_400_000;

export interface JournalSetup {
  readonly disk: Disk;
  /** Of its file, for a person. */
  readonly path: string;
  readonly keepDays: number;
  readonly keepBytes: number;
  /** What is told of the journal itself. */
  readonly tell: (state: Pick<JournalState, "ok" | "remark">) => void;
  /** With what the processes did before it. */
  readonly withMinute: (incident: Incident) => Incident;
  /** Of each of our own, to be exported: bits of PLACES (row.ts). */
  readonly owed: number;
  /** An incident is over. */
  readonly closed: (incident: Incident) => void;
  /** These are in the file. */
  readonly written: (ids: readonly string[]) => void;
}

interface Waiting {
  readonly row: Row;
  owed: number;
  readonly sinceMs: number;
}

export class KeptIncidents implements Journal {
  readonly #setup: JournalSetup;
  readonly #run: string;
  readonly #assembler: Assembler;
  /** Guards by their open incidents. */
  readonly #open = new Map<string, string>();
  /** Oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #isWriting = false;
  #remark: string | undefined;
  #timer: Timer | undefined;
  #written = 0;
  /** Writes in a row. */
  #failures = 0;

  constructor(run: string, setup: JournalSetup) {
    this.#setup = setup;
    this.#run = run;
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
  async keepLeft(incidents: readonly Incident[]): Promise<boolean> {
    return (await this.#ask("putLeft", incidents.map(leftRowOf))) !== "in vain";
  }

  /** Incidents of others that are to be exported to one of these places, the oldest of them. */
  async owed(places: number): Promise<{ incident: Incident; owed: number }[]> {
    const rows = await this.#ask("owed", places, this.#run);
    if (rows === "in vain") return [];
    return rows.map((row) => ({ incident: incidentOf(row), owed: row.owed }));
  }

  /** It has been exported to that place. */
  settle(id: string, place: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) waiting.owed &= ~place;
    // One that is being written may be in the file.
    if (waiting === undefined || this.#isWriting) void this.#ask("settle", id, place);
  }

  async list(query: IncidentQuery): Promise<IncidentPage> {
    const { limit, from = 0 } = query;
    const since = Math.max(from, this.#since());
    const before = query.before === undefined ? undefined : await this.#placeOf(query.before);
    if (query.before !== undefined && before === undefined) return { incidents: [], next: null };
    const wanted = { ...query, from: since, limit: limit + 1 };
    const kept = await this.#read("list", wanted, before).catch((error: Unread) => error);
    const found = [
      ...(kept instanceof Unread ? [] : kept).filter(({ id }) => !this.#waiting.has(id)),
      ...[...this.#waiting.values()]
        .map(({ row }) => row)
        .filter((row) => isWanted(row, wanted) && isBehind(row, before))
        .map(summaryIn),
    ].sort(newestFirst);
    const incidents = found.slice(0, limit);
    return {
      incidents,
      next: found.length > limit ? (incidents.at(-1)?.id ?? null) : null,
      ...(kept instanceof Unread && { unread: kept.message }),
    };
  }

  async get(id: string): Promise<Incident | undefined> {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) return incidentOf(waiting.row);
    const incident = await this.#read("row", id);
    return incident === undefined ? undefined : incidentOf({ incident });
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
  async stop(): Promise<void> {
    for (const incident of this.#assembler.unfinishedOfHost("released")) {
      this.#keep(incident);
      this.#setup.closed(incident);
    }
    while (this.#isWriting) await Bun.sleep(STOP_TICK_MS);
    if (this.#waiting.size > 0) await this.#write();
    clearTimeout(this.#timer);
  }

  // --- internal ---

  /** What is open there is not told of any more. */
  #forget(guard: string): void {
    for (const [incident, of] of this.#open) if (of === guard) this.#open.delete(incident);
  }

  #keep(incident: Incident): void {
    const { id } = incident;
    const { sinceMs = performance.now(), owed = this.#setup.owed } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    this.#waiting.set(id, { row: rowOf(incident), owed, sinceMs });
    this.#forgetOldest();
    if (this.#waiting.size > ROWS_MOST && this.#failures === 0) void this.#write();
    else this.#later(WRITE_AFTER_MS);
  }

  #forgetOldest(): void {
    const most = this.#failures < FAILURES_OF_A_MOMENT ? BEHIND_MOST : KEPT_MOST;
    for (const id of this.#waiting.keys()) {
      if (this.#waiting.size <= most) return;
      this.#waiting.delete(id);
    }
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const [oldest] = this.#waiting.values();
      const waitedMs = performance.now() - (oldest?.sinceMs ?? 0);
      if (this.#open.size > 0 && waitedMs < WAIT_MOST_MS) this.#later(WRITE_AFTER_MS);
      else void this.#write();
    }, ms);
  }

  /** One after the other; what comes meanwhile is written too. */
  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    let isDone: boolean;
    do isDone = await this.#writeSome();
    while (isDone && this.#waiting.size > 0);
    this.#isWriting = false;
  }

  async #writeSome(): Promise<boolean> {
    const some = [...this.#waiting.values()].slice(0, ROWS_MOST);
    const rows = some.map(({ row, owed }) => ({ ...row, owed }));
    const retention = { since: this.#since(), mostBytes: this.#setup.keepBytes };
    if ((await this.#ask("put", rows, retention)) === "in vain") {
      this.#failures += 1;
      this.#forgetOldest();
      return false;
    }
    this.#failures = 0;
    for (const one of some) {
      const { id } = one.row;
      if (this.#waiting.get(id) === one) this.#waiting.delete(id); // else it has got a hook meanwhile
    }
    this.#written += rows.length;
    this.#setup.written(rows.map(({ id }) => id));
    this.#say(undefined);
    return true;
  }

  /** "in vain": it cannot be used now, which is told, and tried again. */
  async #ask<K extends keyof Asks>(name: K, ...args: Parameters<Asks[K]>) {
    return this.#read(name, ...args).catch(() => "in vain" as const);
  }

  /** As #ask; throws Unread instead. */
  async #read<K extends keyof Asks>(name: K, ...args: Parameters<Asks[K]>) {
    const { disk, path } = this.#setup;
    try {
      return await disk.ask(name, ...args);
    } catch (error) {
      const { code = "", message } = error as Failure;
      const why = WHY[code] ?? (code || message);
      if (code !== "BUSY") this.#say(`cannot write the journal ${path}: ${why}`);
      this.#later(RETRY_MS);
      throw new Unread(`cannot read the journal ${path}: ${why}`);
    }
  }

  #say(remark: string | undefined): void {
    if (remark === this.#remark) return;
    this.#remark = remark;
    this.#setup.tell({ ok: remark === undefined, ...(remark !== undefined && { remark }) });
  }

  async #placeOf(id: string): Promise<Place | undefined> {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) return waiting.row;
    return await this.#read("place", id);
  }

  /** What is older is to be forgotten. */
  #since(): number {
    return Date.now() - this.#setup.keepDays * DAY_MS;
  }
}

// --- internal ---

interface Failure {
  readonly code?: string;
  readonly message: string;
}

const WHY: Readonly<Record<string, string>> = {
  SQLITE_FULL: "the disk is full: make room",
  ENOSPC: "the disk is full: make room",
  SQLITE_READONLY: "it is read-only",
  EROFS: "it is read-only",
  SQLITE_BUSY: "another program has locked it",
  SQLITE_CORRUPT: "it was damaged; it is kept beside it as .corrupt, and a new one is begun",
  SQLITE_NOTADB: "it was no journal; it is kept beside it as .corrupt, and a new one is begun",
  BUSY: "too much is asked of it at once, try again",
  STUCK: "journal stuck, its disk does not answer",
  ENDED: "its process was killed",
  ELOOP: "it is a link: name the file itself",
};

function isBehind(row: Row, before: Place | undefined): boolean {
  return before === undefined || newestFirst(before, row) < 0;
}
