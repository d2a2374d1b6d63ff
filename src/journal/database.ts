// SPDX-License-Identifier: MIT
/** The journal's file: all SQL is here. Every call may throw a SQLiteError; nothing waits for another's lock for long. */

import { constants, Database, SQLiteError } from "bun:sqlite";
import { closeSync, fchmodSync, constants as fs, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { type Incident, IncidentSummary } from "./incident.ts";
import type { IncidentQuery } from "./journal.ts";
import { isNamed } from "./named.ts";
import { incidentOf, type NewRow, type Place, type Row } from "./row.ts";

/** Each brings the file from the version that is its index to the next one; none is ever changed. */
const MIGRATIONS = [
  `CREATE TABLE incidents (
     id TEXT PRIMARY KEY,
     opened_t REAL NOT NULL,
     guard TEXT NOT NULL,
     outcome TEXT NOT NULL,
     summary TEXT NOT NULL,
     incident BLOB NOT NULL -- all of it: JSON, compressed by zstd
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX incidents_by_time ON incidents (opened_t, id);
   CREATE INDEX incidents_by_guard ON incidents (guard, opened_t, id);`,
  // Those from before are not exported anew.
  `ALTER TABLE incidents ADD COLUMN owed INTEGER NOT NULL DEFAULT 0; -- row.ts: PLACES
   CREATE INDEX incidents_owed ON incidents (opened_t, id) WHERE owed != 0;`,
];
/** Where another one writes; less than the keeper's answer is waited for. */
const BUSY_MS = 1000;
/** Of the log that SQLite keeps beside the file, between two of its checkpoints. */
const WAL_BYTES = 1 << 20;

export type Owed = Pick<NewRow, "incident" | "owed">;

export class JournalFile {
  readonly #db: Database;
  readonly #path: string;
  readonly #inode: number;

  /** To be read and written; made where it is not there, for nobody else to read. */
  static open(path: string): JournalFile {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(path, fs.O_RDWR | fs.O_CREAT | fs.O_NOFOLLOW, 0o600);
    fchmodSync(fd, 0o600);
    closeSync(fd);
    const file = new JournalFile(new Database(path, { readwrite: true, strict: true }), path);
    try {
      file.#migrate();
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  /** To be read, where it is there. */
  static read(path: string): JournalFile {
    const file = new JournalFile(new Database(path, { readonly: true, strict: true }), path);
    try {
      demandKnown(file.#version());
      return file;
    } catch (error) {
      file.close();
      // On a file system that nobody can write to there is no log beside it either.
      if (codeOf(error) !== "SQLITE_CANTOPEN") throw error;
    }
    const flags = constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI;
    return new JournalFile(new Database(`file:${encodeURI(path)}?immutable=1`, flags), path);
  }

  private constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
    this.#inode = statSync(path).ino;
    db.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
  }

  /** Under its name. */
  isThere(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** All or none. One that is there is replaced if `isNewer`, else left; no more is owed of it than before. */
  put(rows: readonly NewRow[], isNewer: boolean): void {
    const again = isNewer
      ? `UPDATE SET outcome = excluded.outcome, summary = excluded.summary,
           incident = excluded.incident, owed = owed & excluded.owed`
      : "NOTHING";
    const insert = this.#db.query<
      void,
      [string, number, string, string, string, Uint8Array, number]
    >(
      `INSERT INTO incidents (id, opened_t, guard, outcome, summary, incident, owed)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO ${again}`,
    );
    this.#db.transaction(() => {
      for (const { id, opened_t, guard, outcome, summary, incident, owed } of rows) {
        insert.run(id, opened_t, guard, outcome, summary, incident, owed);
      }
    })();
  }

  /** It has been exported to that place. */
  settle(id: string, place: number): void {
    const sql = "UPDATE incidents SET owed = owed & ~? WHERE id = ?";
    this.#db.query<void, [number, string]>(sql).run(place, id);
  }

  /** The oldest that are owed to one of these places, but for those of a run that does that itself. */
  owed(places: number, but: string, most: number): Owed[] {
    return this.#db
      .query<Owed, [number, string, number]>(
        `SELECT incident, owed FROM incidents
         WHERE owed != 0 AND owed & ? != 0 AND id NOT GLOB ? ORDER BY opened_t, id LIMIT ?`,
      )
      .all(places, `${but}-*`, most);
  }

  /** `before`: what the query's stands for. */
  list(query: IncidentQuery, before?: Place): IncidentSummary[] {
    const { guard, name, outcome, from, to, limit } = query;
    const named = name === undefined ? null : this.#guards().filter((one) => isNamed([one], name));
    const select = this.#db.query<
      Place & { summary: string },
      Record<string, string | number | null>
    >(
      `SELECT opened_t, id, summary FROM incidents
         WHERE ($guard IS NULL OR guard = $guard)
           AND ($named IS NULL OR guard IN (SELECT value FROM json_each($named)))
           AND ($outcome IS NULL OR outcome = $outcome)
           AND opened_t >= $from AND opened_t < $to
           AND ($before_t IS NULL OR (opened_t, id) < ($before_t, $before_id))
         ORDER BY opened_t DESC, id DESC LIMIT $limit`,
    );
    const wanted = {
      guard: guard ?? null,
      named: named && JSON.stringify(named),
      outcome: outcome ?? null,
      from: from ?? 0,
      to: to ?? Number.MAX_SAFE_INTEGER,
    };
    const found: IncidentSummary[] = [];
    for (let last = before; ; ) {
      const missing = limit - found.length;
      const after = { before_t: last?.opened_t ?? null, before_id: last?.id ?? null };
      const rows = select.all({ ...wanted, ...after, limit: missing });
      found.push(...rows.flatMap(({ summary }) => summaryOf(summary) ?? []));
      last = rows.at(-1);
      if (found.length === limit || rows.length < missing) return found;
    }
  }

  place(id: string): Place | undefined {
    const sql = "SELECT opened_t, id FROM incidents WHERE id = ?";
    return this.#db.query<Place, [string]>(sql).get(id) ?? undefined;
  }

  /** In no order. */
  idsFrom(begin: string): string[] {
    const sql = "SELECT id FROM incidents WHERE substr(id, 1, length($begin)) = $begin";
    return this.#db
      .query<{ id: string }, { begin: string }>(sql)
      .all({ begin })
      .map(({ id }) => id);
  }

  get(id: string): Incident | undefined {
    const incident = this.row(id);
    return incident === undefined ? undefined : incidentOf({ incident });
  }

  /** As it is stored (row.ts). */
  row(id: string): Uint8Array | undefined {
    const sql = "SELECT incident FROM incidents WHERE id = ?";
    return this.#db.query<Pick<Row, "incident">, [string]>(sql).get(id)?.incident;
  }

  /** The oldest go: those from before `since`, and a tenth as long as all take more than `mostBytes`. */
  prune(since: number, mostBytes: number): void {
    this.#db.query("DELETE FROM incidents WHERE opened_t < ?").run(since);
    while (this.#usedBytes() > mostBytes) {
      const { changes } = this.#db
        .query(
          `DELETE FROM incidents WHERE id IN (SELECT id FROM incidents ORDER BY opened_t, id
             LIMIT (SELECT count(*) / 10 + 1 FROM incidents))`,
        )
        .run();
      if (changes === 0) return;
    }
  }

  close(): void {
    this.#db.close();
  }

  // --- internal ---

  /** From one name to the next in the index: they are few, and their incidents many. */
  #guards(): string[] {
    return this.#db
      .query<{ guard: string }, []>(
        `WITH RECURSIVE names(guard) AS (
           SELECT min(guard) FROM incidents
           UNION ALL
           SELECT (SELECT min(guard) FROM incidents WHERE guard > names.guard) FROM names
             WHERE guard IS NOT NULL
         ) SELECT guard FROM names WHERE guard IS NOT NULL`,
      )
      .all()
      .map(({ guard }) => guard);
  }

  #migrate(): void {
    this.#db.run("PRAGMA journal_mode = WAL");
    // A host that goes down may lose the last incidents, and never the file.
    this.#db.run("PRAGMA synchronous = NORMAL");
    this.#db.run(`PRAGMA journal_size_limit = ${WAL_BYTES}`);
    demandKnown(this.#version());
    if (this.#version() === MIGRATIONS.length) return;
    this.#db
      .transaction(() => {
        const version = this.#version(); // another one may have been faster
        for (const sql of MIGRATIONS.slice(version)) this.#db.run(sql);
        if (version < MIGRATIONS.length) this.#db.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
      })
      .immediate();
  }

  #version(): number {
    return this.#number("user_version");
  }

  /** What is freed is used again before the file grows. */
  #usedBytes(): number {
    const pages = this.#number("page_count") - this.#number("freelist_count");
    return pages * this.#number("page_size");
  }

  #number(pragma: string): number {
    const row = this.#db.query<Record<string, number>, []>(`PRAGMA ${pragma}`).get();
    return row?.[pragma] ?? 0;
  }
}

/** "SQLITE_FULL" and so on, or what the file system says; "" for what is neither's. */
export function codeOf(error: unknown): string {
  if (error instanceof SQLiteError) return error.code ?? "SQLITE_ERROR";
  return (error as NodeJS.ErrnoException).code ?? "";
}

// --- internal ---

/** Undefined: another version's, or damaged; it is left out, and spoils nothing beside it. */
function summaryOf(text: string): IncidentSummary | undefined {
  try {
    return v.parse(IncidentSummary, JSON.parse(text));
  } catch {
    return undefined;
  }
}

function demandKnown(version: number): void {
  if (version <= MIGRATIONS.length) return;
  throw new Error(`it is of a later version (${version}) than this program knows`);
}
