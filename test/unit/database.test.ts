// SPDX-License-Identifier: MIT
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import fc from "fast-check";
import { JournalFile } from "../../src/journal/database.ts";
import type { Incident } from "../../src/journal/incident.ts";
import { thinned } from "../../src/journal/minute.ts";
import { incidentOf, isWanted, newestFirst, PLACES, rowOf } from "../../src/journal/row.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { plainIncident } from "../helpers/incident.ts";

let dir: string;
let path: string;

beforeEach(() => {
  dir = makeFolder("test-database", "/var/tmp");
  path = `${dir}/journal.sqlite`;
});

afterEach(() => removeFolder(dir));

const incident = (number: number, more: Partial<Incident> = {}): Incident => ({
  ...plainIncident,
  id: `run-0-${number}`,
  guard: number % 2 === 0 ? "even" : "odd",
  opened_t: 1000 + number,
  ...more,
});

const newRowOf = (one: Incident, owed = 0) => ({ ...rowOf(one), owed });
const put = (file: JournalFile, all: readonly Incident[], isNewer = true) =>
  file.put(
    all.map((one) => newRowOf(one)),
    isNewer,
  );
const idsIn = (file: JournalFile) => file.list({ limit: 10_000 }).map(({ id }) => id);
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe("JournalFile", () => {
  test("lists the newest first, page by page, and gives back all of one", () => {
    const file = JournalFile.open(path);
    put(
      file,
      numbers(1, 5).map((number) => incident(number)),
    );
    put(file, [incident(6, { opened_t: 1005 })]); // at one time with another
    const first = file.list({ limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(["run-0-6", "run-0-5"]);
    expect(file.list({ limit: 9 }, file.place("run-0-5")).map(({ id }) => id)).toEqual([
      ...["run-0-4", "run-0-3", "run-0-2", "run-0-1"],
    ]);
    expect(file.list({ limit: 9, guard: "odd", from: 1002, to: 1005 })).toHaveLength(1);
    expect(file.idsFrom("run-0-").length).toBe(6);
    expect([file.idsFrom("run-0-6"), file.idsFrom("%")]).toEqual([["run-0-6"], []]);
    expect(file.get("run-0-3")).toEqual(incident(3));
    expect(file.get("run-0-9")).toBeUndefined();
    file.close();
  });

  test("whatever is asked of it, it finds what the same incidents in memory would", () => {
    const file = JournalFile.open(path);
    const names = ["web", "web-2", "tenants/web", "Ä*", "a b", "db"];
    const rows = numbers(1, 60).map((number) =>
      newRowOf(incident(number, { guard: names[(number * 7) % names.length] ?? "" })),
    );
    file.put(rows, true);
    const aQuery = fc.record({
      guard: fc.option(fc.constantFrom(...names), { nil: undefined }),
      name: fc.option(fc.constantFrom("", "web", "WEB", "ä", "web*", "*web", "b a", "x", "*"), {
        nil: undefined,
      }),
      from: fc.option(fc.integer({ min: 990, max: 1070 }), { nil: undefined }),
      to: fc.option(fc.integer({ min: 990, max: 1070 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(aQuery, (query) => {
        const found = file.list({ ...query, limit: 100 }).map(({ id }) => id);
        const wanted = rows.filter((row) => isWanted(row, { ...query, limit: 100 }));
        expect(found).toEqual(wanted.sort(newestFirst).map(({ id }) => id));
      }),
    );
    file.close();
  });

  test("has an incident once: what a later agent finds does not replace it, what its own adds does", () => {
    const file = JournalFile.open(path);
    put(file, [incident(1)]);
    put(file, [incident(1, { recovered: true })], false);
    expect(file.get("run-0-1")?.recovered).toBe(false);
    put(file, [incident(1, { faults: 7 })]);
    expect(file.get("run-0-1")?.faults).toBe(7);
    expect(idsIn(file)).toHaveLength(1);
    file.close();
  });

  test("knows where an incident is still to be exported to, whatever is written of it later", () => {
    const file = JournalFile.open(path);
    const owedTo = (place: number) =>
      file.owed(place, "other", 9).map((row) => [incidentOf(row).id, row.owed]);
    const [here, there] = [PLACES.jsonl, PLACES.otlp];
    file.put([newRowOf(incident(2), here | there), newRowOf(incident(1), there)], false);
    expect(owedTo(here)).toEqual([["run-0-2", here | there]]);
    expect(owedTo(there).map(([id]) => id)).toEqual(["run-0-1", "run-0-2"]);
    file.settle("run-0-2", here);
    file.put([newRowOf(incident(2, { faults: 7 }), here | there)], true);
    expect(owedTo(here)).toEqual([]);
    expect(owedTo(there)).toEqual([
      ["run-0-1", there],
      ["run-0-2", there],
    ]);
    expect(file.owed(there, "run", 9)).toEqual([]);
    expect(file.owed(there, "ru", 9)).toHaveLength(2);
    expect(file.owed(there, "other", 1)).toHaveLength(1);
    file.close();
  });

  test("owes nothing of what an earlier version has written", () => {
    using db = new Database(path);
    JournalFile.open(path).close();
    db.run("DROP INDEX incidents_owed");
    db.run("ALTER TABLE incidents DROP COLUMN owed");
    db.run("PRAGMA user_version = 1");
    const { id, opened_t, guard, outcome, summary, incident: all } = rowOf(incident(1));
    db.run("INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?)", [
      ...[id, opened_t, guard, outcome, summary, all],
    ]);
    const file = JournalFile.open(path);
    expect(file.get("run-0-1")).toEqual(incident(1));
    expect(file.owed(PLACES.jsonl, "other", 9)).toEqual([]);
    file.close();
  });

  test("leaves out what it cannot read, and nothing beside it", () => {
    const file = JournalFile.open(path);
    put(
      file,
      numbers(1, 6).map((number) => incident(number)),
    );
    using db = new Database(path);
    db.run("UPDATE incidents SET summary = '{}' WHERE id IN ('run-0-5', 'run-0-3')");
    db.run("UPDATE incidents SET summary = '{' WHERE id = 'run-0-1'");
    expect(idsIn(file)).toEqual(["run-0-6", "run-0-4", "run-0-2"]);
    // As many as are asked for: else it would seem to be the last page.
    expect(file.list({ limit: 2 }).map(({ id }) => id)).toEqual(["run-0-6", "run-0-4"]);
    file.close();
  });

  test("forgets what is older, and the oldest of what is too much", () => {
    const file = JournalFile.open(path);
    put(
      file,
      numbers(1, 1000).map((number) => incident(number)),
    );
    file.prune(1101, 1 << 30);
    expect(idsIn(file)).toHaveLength(900);
    const mostBytes = 256 << 10;
    file.prune(0, mostBytes);
    const left = idsIn(file);
    expect(left.length).toBeGreaterThan(100);
    expect(left).toEqual(
      numbers(1001 - left.length, 1000)
        .map((n) => `run-0-${n}`)
        .reverse(),
    );
    // It does not grow any more.
    for (let round = 1; round < 20; round += 1) {
      put(
        file,
        numbers(1000 * round + 1, 1000 * round + 500).map((number) => incident(number)),
      );
      file.prune(0, mostBytes);
    }
    file.close();
    expect(statSync(path).size).toBeLessThan(4 * mostBytes);
  });

  test("is brought up to date from an earlier version, and kept by a later one", () => {
    using db = new Database(path);
    db.run("CREATE TABLE kept (x)"); // version 0: somebody's file
    const file = JournalFile.open(path);
    put(file, [incident(1)]);
    file.close();
    expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: 2 });
    db.run("PRAGMA user_version = 99");
    expect(() => JournalFile.open(path)).toThrow("later version (99)");
    expect(() => JournalFile.read(path)).toThrow("later version (99)");
    expect(db.query("SELECT count(*) AS n FROM incidents").get()).toEqual({ n: 1 });
  });

  test("is nobody else's, and no link", () => {
    JournalFile.open(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    Bun.spawnSync(["ln", "-s", path, `${dir}/link`]);
    expect(() => JournalFile.open(`${dir}/link`)).toThrow("ELOOP");
  });
});

test("too many frames are left out evenly, the newest stays", () => {
  const frames = numbers(1, 100).map((t_us) => {
    return {
      t_us,
      usage_bytes: 1,
      processes: [[1, 1] as [number, number], [2, 2] as [number, number]],
    };
  });
  expect(thinned(frames, 200)).toHaveLength(100);
  const some = thinned(frames, 50);
  expect(some).toHaveLength(25);
  expect(some.at(-1)?.t_us).toBe(100);
});
