// SPDX-License-Identifier: MIT
/**
 * What the agent has read of the region and the journal has not written yet, as JSON lines in a file of memory. A line is
 * there before the region may forget what it says, and until its incident is in the journal: whoever finds it when the
 * agent is dead (harvest.ts) can put the incident together. That one record is there and in the region too is no harm.
 */

import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import * as v from "valibot";
import { idOf } from "../agent/incidents.ts";
import { LOST_WITH_US } from "../agent/kept.ts";
import { Armed, Hook, System } from "../feed/protocol.ts";
import { type LogRecord, ROLES } from "../native/region.ts";

/** Of memory: 25,000 steps, of a thousand groups in OOM together. With a journal that cannot be written the oldest incidents go then. */
const MOST_BYTES = 8 << 20;

const number = v.number();
const Record = v.object({
  role: v.picklist(ROLES),
  sequence: number,
  tNs: number,
  openedNs: number,
  bytes: number,
  guard: number,
  incident: number,
  step: number,
  arg: number,
  result: number,
  pid: number,
  comm: v.string(),
  availableBytes: number,
});
/** Whose it is; what happened; or whose place in the region is from then on. */
const Line = v.union([
  v.object({ journal: v.string() }),
  v.object({ record: Record }),
  v.object({ told: v.variant("type", [System, Hook]) }),
  v.object({ place: number, armed: Armed }),
]);
export type Line = v.InferOutput<typeof Line>;

interface SpoolSetup {
  readonly file: string;
  readonly run: string;
  /** The file of the journal that it is for. */
  readonly journal: string;
  /** Nobody else's as long as we live. */
  readonly lock: (fd: number) => void;
  readonly say: (text: string) => void;
}

export class Spool {
  readonly #file: string;
  readonly #run: string;
  readonly #fd: number;
  /** By place; each is written before the first record that needs it. */
  readonly #armed = new Map<number, Armed>();
  readonly #told = new Set<number>();
  /** Ids of incidents that are in it and not in the journal. */
  readonly #pending = new Set<string>();
  readonly #say: (text: string) => void;
  #bytes: number;
  /** Of the line that says whose it is. */
  readonly #leastBytes: number;
  #isFull = false;

  constructor({ file, run, journal, lock, say }: SpoolSetup) {
    this.#file = file;
    this.#run = run;
    this.#say = say;
    const { O_CREAT, O_EXCL, O_APPEND, O_RDWR } = constants;
    this.#fd = openSync(`${file}.new`, O_CREAT | O_EXCL | O_APPEND | O_RDWR, 0o600);
    this.#leastBytes = writeSync(this.#fd, textOf([{ journal }]));
    lock(this.#fd);
    renameSync(`${file}.new`, file); // whoever finds it by its name finds it locked
    this.#bytes = this.#leastBytes;
  }

  /** From now on the place is that guard's. */
  begin(place: number, armed: Armed): void {
    this.#armed.set(place, armed);
    this.#told.delete(place);
  }

  add(records: readonly LogRecord[]): void {
    const lines = records.filter(({ incident }) => incident !== 0).flatMap((one) => this.#of(one));
    this.#addLines(lines);
  }

  /** What the region does not say. An incident whose hook ends later may be in the journal by then. */
  addTold(messages: readonly (System | Hook)[]): void {
    for (const { type, id } of messages) {
      if (type === "system" && id !== undefined) this.#pending.add(id);
    }
    this.#addLines(messages.map((told) => ({ told })));
  }

  /** They are in the journal. */
  written(ids: readonly string[]): void {
    for (const id of ids) this.#pending.delete(id);
    if (this.#pending.size === 0) this.#clear();
  }

  /** So many incidents are in it that are not in the journal. */
  get pending(): number {
    return this.#pending.size;
  }

  close(): void {
    closeSync(this.#fd);
  }

  // --- internal ---

  #addLines(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    try {
      if (this.#bytes > MOST_BYTES) this.#dropOldest();
      this.#append(lines);
      this.#isFull = false;
    } catch (error) {
      this.#told.clear(); // of a place it may be this that is missing
      if (!this.#isFull) this.#say(`${(error as Error).message}: ${LOST_WITH_US}`);
      this.#isFull = true;
    }
  }

  #of(record: LogRecord): Line[] {
    const { guard, incident } = record;
    const armed = this.#armed.get(guard);
    if (armed === undefined) return [];
    const isTold = this.#told.has(guard);
    this.#told.add(guard);
    this.#pending.add(idOf(this.#run, guard, incident));
    return [...(isTold ? [] : [{ place: guard, armed }]), { record }];
  }

  /** All of it, or nothing: a full tmpfs takes a part without an error. */
  #append(lines: readonly Line[]): void {
    const bytes = Buffer.from(textOf(lines));
    const written = writeSync(this.#fd, bytes);
    if (written < bytes.length) {
      ftruncateSync(this.#fd, this.#bytes);
      throw new Error(`ENOSPC: no space left on device, write '${this.#file}'`);
    }
    this.#bytes += written;
  }

  #clear(): void {
    ftruncateSync(this.#fd, this.#leastBytes);
    this.#bytes = this.#leastBytes;
    this.#told.clear();
  }

  /** Until half is left. */
  #dropOldest(): void {
    const lines = linesOf(this.#file);
    const ids = new Set(lines.flatMap((line) => this.#idOf(line) ?? []));
    const kept = [...ids].filter((id) => this.#pending.has(id));
    const recent = new Set(kept.slice(Math.ceil(kept.length / 2)));
    for (const id of kept) if (!recent.has(id)) this.#pending.delete(id);
    this.#clear();
    const left = lines.filter((line) => "place" in line || recent.has(this.#idOf(line) ?? ""));
    this.#append(left);
  }

  #idOf(line: Line): string | undefined {
    if ("told" in line) return line.told.id;
    if (!("record" in line)) return undefined;
    return idOf(this.#run, line.record.guard, line.record.incident);
  }
}

function textOf(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** The last one may be torn, where the agent was killed in the write: its records are in the region still. */
export function linesOf(file: string): Line[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((text) => {
      try {
        return [v.parse(Line, JSON.parse(text))];
      } catch {
        return [];
      }
    });
}
