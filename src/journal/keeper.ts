// SPDX-License-Identifier: MIT
/**
 * The journal's keeper: it alone has the file, in a process of its own (disk.ts), for a disk that hangs stops whoever writes to it, and
 * one that dies may take him along. Each method is what it can be asked. The lines of an export have one too.
 */

import { appendFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { codeOf, JournalFile, type Owed } from "./database.ts";
import type { IncidentSummary } from "./incident.ts";
import type { IncidentQuery } from "./journal.ts";
import type { NewRow, Place } from "./row.ts";
import { type Look, lookAt } from "./writable.ts";

/** At once: what an exporter has room for, beside what happens meanwhile. */
const OWED_MOST = 50;

/** What is older, or too much, is forgotten. */
interface Retention {
  readonly since: number;
  readonly mostBytes: number;
}

export class Keeper {
  readonly #path: string;
  #file: JournalFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** One that is there is replaced. */
  put(rows: readonly NewRow[], { since, mostBytes }: Retention): void {
    this.#use((file) => {
      file.put(rows, true);
      file.prune(since, mostBytes);
    });
  }

  /** One that is there stays. */
  putLeft(rows: readonly NewRow[]): void {
    this.#use((file) => file.put(rows, false));
  }

  list(query: IncidentQuery, before: Place | undefined): IncidentSummary[] {
    return this.#use((file) => file.list(query, before));
  }

  place(id: string): Place | undefined {
    return this.#use((file) => file.place(id));
  }

  row(id: string): Uint8Array | undefined {
    return this.#use((file) => file.row(id));
  }

  settle(id: string, place: number): void {
    this.#use((file) => file.settle(id, place));
  }

  owed(places: number, but: string): Owed[] {
    // There is none before the first incident.
    return existsSync(this.#path) ? this.#use((file) => file.owed(places, but, OWED_MOST)) : [];
  }

  /** To a file of lines, in the journal's stead. */
  append(text: string): void {
    appendFileSync(this.#path, text, { mode: 0o600 });
  }

  /** For doctor: whether it could be written now. */
  look(): Look {
    return lookAt(this.#path);
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  // --- internal ---

  #use<T>(use: (file: JournalFile) => T): T {
    if (this.#file?.isThere() === false) this.close(); // somebody has removed it, or put another one there
    try {
      this.#file ??= JournalFile.open(this.#path);
      return use(this.#file);
    } catch (error) {
      if (/^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error))) this.#moveAside();
      throw error;
    }
  }

  /** Whoever wants it back may try to mend it there. */
  #moveAside(): void {
    this.close();
    try {
      for (const end of ["-wal", "-shm"]) rmSync(`${this.#path}${end}`, { force: true });
      renameSync(this.#path, `${this.#path}.corrupt`);
    } catch {
      // Then it is in the way still, and is said to be.
    }
  }
}

export type Asks = Omit<Keeper, "close">;

/** As it goes over to the keeper, and what comes back. */
export interface Ask {
  readonly number: number;
  readonly name: keyof Asks;
  readonly args: readonly unknown[];
}
export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly code: string; readonly message: string };

/** The process: to the end of the one that has started it. */
export function keepJournal(path: string): Promise<void> {
  const keeper = new Keeper(path);
  // A service manager tells all of a service at once.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
  process.on("message", (ask: Ask) => process.send?.(answerOf(keeper, ask)));
  return new Promise((resolve) => {
    process.on("disconnect", () => {
      keeper.close();
      resolve();
    });
  });
}

// --- internal ---

function answerOf(keeper: Keeper, { number, name, args }: Ask): Answer {
  try {
    const ask = keeper[name] as (...args: unknown[]) => unknown;
    return { number, value: ask.apply(keeper, [...args]) };
  } catch (error) {
    return { number, code: codeOf(error), message: (error as Error).message };
  }
}
