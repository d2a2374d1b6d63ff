// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { type Message, PROTOCOL_VERSION } from "../../src/feed/protocol.ts";
import { JournalFile } from "../../src/journal/database.ts";
import type { Disk } from "../../src/journal/disk.ts";
import { Keeper } from "../../src/journal/keeper.ts";
import { KeptIncidents } from "../../src/journal/kept-incidents.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";

let dir: string;
let path: string;
let journal: KeptIncidents;
let told: string[];
let keeper: Keeper;

/** As if it were another process. */
const disk: Disk = {
  ask: async (name, ...args) => (keeper[name] as (...args: unknown[]) => never).apply(keeper, args),
  end: async () => {},
};

beforeEach(() => {
  dir = makeFolder("test-kept", "/var/tmp");
  path = `${dir}/journal.sqlite`;
  told = [];
  keeper = new Keeper(path);
  journal = new KeptIncidents("run", {
    disk,
    path,
    keepDays: 30,
    keepBytes: 64 << 20,
    tell: ({ ok, remark }) => told.push(remark ?? String(ok)),
    withMinute: (incident) => incident,
    owed: 0,
    closed: () => {},
    written: () => {},
  });
});

afterEach(async () => {
  await journal.stop();
  keeper.close();
  removeFolder(dir);
});

const now = Date.now();

function play(number: number): void {
  const id = `run-0-${number}`;
  const of = { v: PROTOCOL_VERSION, t: now, guard: "web", incident: `web#${number}`, id } as const;
  const messages: Message[] = [
    { ...of, type: "incident.opened", cause: "oom", opened_t: now + number },
    {
      ...of,
      type: "incident.closed",
      outcome: "relieved",
      reason: "killed",
      duration_us: 5,
      faults: 0,
    },
  ];
  for (const message of messages) journal.accept(message);
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("of a thousand that end together each is written", async () => {
  numbers(1000).forEach(play);
  await journal.stop();
  const file = JournalFile.read(path);
  expect(file.list({ limit: 2000 })).toHaveLength(1000);
  file.close();
  expect(journal.state()).toMatchObject({ ok: true, written: 1000, kept_in_memory: 0 });
});

test("what cannot be written is kept, the last 200, listed beside what is in the file, and written when it can be", async () => {
  numbers(10).forEach(play);
  await journal.stop();
  const [from, to] = [`${path}.away`, path];
  Bun.spawnSync(["mv", to, from]);
  mkdirSync(path);
  for (const number of numbers(300)) play(10 + number);
  await journal.stop();
  // It may be for a moment only.
  expect(journal.state()).toMatchObject({ ok: false, kept_in_memory: 300 });
  for (let tries = 1; tries < 5; tries += 1) await journal.stop();
  expect(journal.state()).toMatchObject({ ok: false, kept_in_memory: 200 });
  expect(told).toHaveLength(1);
  // What only the file has is not said to be nowhere.
  const unread = expect.stringContaining(`cannot read the journal ${path}: `);
  expect(await journal.list({ limit: 500 })).toMatchObject({ next: null, unread });
  expect((await journal.get("run-0-310"))?.id).toBe("run-0-310");
  expect(journal.get("run-0-5")).rejects.toMatchObject({ message: unread });
  expect(journal.list({ limit: 9, before: "run-0-5" })).rejects.toThrow("cannot read");
  rmdirSync(path);
  Bun.spawnSync(["mv", from, to]);
  // Across both: the newest is in memory, the oldest in the file.
  const first = await journal.list({ limit: 150 });
  expect(first.incidents[0]?.id).toBe("run-0-310");
  expect(first.unread).toBeUndefined();
  const second = await journal.list({ limit: 150, before: first.next ?? "" });
  expect(second.incidents.map(({ id }) => id).slice(49, 52)).toEqual([
    ...["run-0-111", "run-0-10", "run-0-9"],
  ]);
  expect(second.next).toBeNull();
  expect((await journal.get("run-0-200"))?.id).toBe("run-0-200");
  expect((await journal.list({ limit: 9, before: "nobody" })).incidents).toEqual([]);
  await journal.stop();
  expect(journal.state()).toMatchObject({ ok: true, kept_in_memory: 0 });
  expect(told.at(-1)).toBe("true");
  expect((await journal.list({ limit: 500 })).incidents).toHaveLength(210);
});

test("a journal that somebody removes is begun anew", async () => {
  play(1);
  await journal.list({ limit: 1 }); // it has it open
  for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  play(2);
  await journal.stop();
  const file = JournalFile.read(path);
  expect(file.list({ limit: 9 })).toHaveLength(2);
  file.close();
});
