// SPDX-License-Identifier: MIT
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import type { Armed } from "../../src/feed/protocol.ts";
import { linesOf, Spool } from "../../src/journal/spool.ts";
import type { LogRecord } from "../../src/native/region.ts";
import { Journal, removeJournals } from "../helpers/journal.ts";
import { describeWith, root } from "../helpers/require.ts";

const ARMED: Armed = {
  ...{ v: 1, t: 1, type: "armed", guard: "web", cgroup: "/web", hierarchy: "v1" },
  ...{ delay_ms: 100, margin_bytes: 1, allow_kill: true, powers: [], orders: [] },
};

function recordsFrom(first: number, count: number): LogRecord[] {
  const same = { role: "HANDLER", tNs: 1, openedNs: 1, bytes: 0, guard: 0, incident: 1, step: 1 };
  const rest = { arg: 0, result: 0, pid: 1, comm: "leaker", availableBytes: 0 };
  return Array.from({ length: count }, (_, i) => {
    return { ...same, ...rest, sequence: first + i } as LogRecord;
  });
}

let disk: Journal;
let said: string[];
let spool: Spool;

describeWith("a spool on a tmpfs that is full", [root], () => {
  beforeEach(() => {
    disk = new Journal();
    disk.mount("size=64k");
    said = [];
    const file = `${disk.dir}/spool`;
    const say = (text: string) => void said.push(text);
    spool = new Spool({ file, run: "run", journal: "/journal", lock: () => {}, say });
    spool.begin(0, ARMED);
  });
  afterEach(() => {
    spool.close();
    removeJournals();
  });

  /** All that is free but so much. */
  function fill(leaveBytes: number): void {
    const { bavail, bsize } = statfsSync(disk.dir);
    writeFileSync(`${disk.dir}/filler`, new Uint8Array(bavail * bsize - leaveBytes));
  }

  const lines = () => linesOf(`${disk.dir}/spool`);
  const wholeLines = () => readFileSync(`${disk.dir}/spool`, "utf8").split("\n").slice(0, -1);

  test("tells it once, tears no line, and goes on when there is room, guards and all", () => {
    fill(4096);
    spool.add(recordsFrom(1, 100)); // the page has room for a part of it
    spool.add(recordsFrom(101, 100));
    expect(said).toEqual([expect.stringContaining("ENOSPC")]);
    expect(lines()).toEqual([{ journal: "/journal" }]);
    truncateSync(`${disk.dir}/filler`, 0);
    spool.add(recordsFrom(201, 2));
    expect(said).toHaveLength(1);
    expect(wholeLines()).toHaveLength(lines().length);
    expect(lines().map((line) => Object.keys(line)[0])).toEqual([
      ...["journal", "place", "record", "record"],
    ]);
    expect(spool.pending).toBe(1);
  });
});
