// SPDX-License-Identifier: MIT
/** A journal of a test's own, read as any program could: it is an SQLite file. */
import { Database } from "bun:sqlite";
import {
  existsSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { removeKept, runsIn, spoolFile } from "../../src/agent/kept.ts";
import { runBases } from "../../src/agent/run-dir.ts";
import { at, fd, size } from "../../src/native/layout.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import type { Reprieve } from "./reprieve.ts";

interface Summary {
  readonly id: string;
  readonly guard: string;
  readonly outcome: string;
  readonly victims: readonly { readonly pid: number }[];
}

/** The least that has room for the journal beside ext4's own. */
const DISK_BYTES = 16 << 20;

const journals = new Set<Journal>();

/** For afterEach: who sleeps in their disks can end then. */
export function letDisksGoOn(): void {
  for (const journal of journals) journal.goOn();
}

/** For afterEach. */
export function removeJournals(): void {
  for (const journal of journals) journal.remove();
}

export class Journal {
  readonly dir = makeFolder("test-journal", "/var/tmp");
  readonly file = `${this.dir}/journal.sqlite`;
  /** For the command line. */
  readonly flags = ["--journal", this.file];

  #isMounted = false;
  #hangs = false;

  constructor() {
    journals.add(this);
  }

  /** Oldest first; none where there is no file yet. */
  incidents(): Summary[] {
    return this.#rows<{ summary: string }>("SELECT summary FROM incidents ORDER BY opened_t").map(
      ({ summary }) => JSON.parse(summary) as Summary,
    );
  }

  /** Where it is still to be exported to. */
  owed(id: unknown): number | undefined {
    return this.#rows<{ id: string; owed: number }>("SELECT id, owed FROM incidents").find(
      (row) => row.id === id,
    )?.owed;
  }

  /** Its directory becomes a small tmpfs. */
  mount(options: string): void {
    run("mount", "-t", "tmpfs", "-o", options, "none", this.dir);
    this.#isMounted = true;
  }

  remount(options: string): void {
    run("mount", "-o", `remount,${options}`, this.dir);
  }

  /** Its directory becomes a disk of its own, that can hang. */
  mountDisk(): void {
    const image = `${this.dir}.img`;
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    run("mkfs.ext4", "-q", image);
    run("mount", "-o", "loop", image, this.dir);
    rmSync(image); // it goes with the mount
    this.#isMounted = true;
  }

  /** Whoever writes to it sleeps, and no signal wakes him. */
  hang(): void {
    run("fsfreeze", "--freeze", this.dir);
    this.#hangs = true;
  }

  goOn(): void {
    if (this.#hangs) run("fsfreeze", "--unfreeze", this.dir);
    this.#hangs = false;
  }

  /** With what a failed test's agents have left for it. */
  remove(): void {
    for (const base of runBases().filter(existsSync)) {
      for (const run of runsIn(base)) {
        const isOurs = spooledIn(spoolFile(base, run)).includes(JSON.stringify(this.file));
        if (isOurs) removeKept(base, run);
      }
    }
    if (this.#isMounted) run("umount", "-l", this.dir);
    removeFolder(this.dir);
    journals.delete(this);
  }

  #rows<T>(sql: string): T[] {
    try {
      using db = new Database(this.file, { readonly: true });
      return db.query<T, []>(sql).all();
    } catch {
      return []; // it is made with the first incident
    }
  }
}

/** The region that a run leaves when it is killed. */
class LeftRegion {
  readonly path: string;

  /** Of one that runs. */
  constructor(handler: number) {
    this.path = readlinkSync(`/proc/${handler}/fd/${fd.REGION}`);
  }

  /** In the names of its incidents. */
  get run(): string {
    return this.path.replace(/.*\/region-/, "");
  }

  /** Ids of all that were opened in it, and whether they were closed: not where the OOM came behind the putting back. */
  incidents(): { id: string; isClosed: boolean }[] {
    const bytes = readFileSync(this.path);
    const guards = bytes.readUInt32LE(at.region_guards_used);
    return Array.from({ length: guards }, (_, guard) => {
      const word = bytes.readUInt32LE(at.region_guards + guard * size.guard + at.guard_incident);
      return Array.from({ length: Math.ceil(word / 2) }, (_, i) => {
        const number = i + 1;
        return { id: `${this.run}-${guard}-${number}`, isClosed: 2 * number <= word };
      });
    }).flat();
  }
}

function run(...command: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync([...command]);
  if (!success) throw new Error(`${command.join(" ")}: ${stderr}`);
}

function spooledIn(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

export async function leftBy(reprieve: Reprieve): Promise<LeftRegion> {
  return new LeftRegion(await reprieve.helper("handler"));
}
