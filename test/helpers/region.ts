// SPDX-License-Identifier: MIT
/** What the helpers of a running reprieve know, read in their region through the handler's descriptor; and what an agent could write there. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { at, fd, limit, order, size } from "../../src/native/layout.ts";
import type { Reprieve } from "./reprieve.ts";
import { until } from "./wait.ts";

/** The whole table is read for a name. */
const LOOK_MS = 20;

export class SharedRegion {
  readonly #file: number;
  readonly #recorder: number;

  constructor(handler: number) {
    this.#file = openSync(`/proc/${handler}/fd/${fd.REGION}`, "r+");
    this.#recorder = this.#word(at.region_recorder_offset);
  }

  /** Scans of groups so far. */
  scans(): number {
    return this.#word(this.#recorder + at.recorder_snapshots);
  }

  /** Times that events of the process connector were lost. */
  eventsLost(): number {
    return this.#word(this.#recorder + at.recorder_events_lost);
  }

  /** What the sampler calls a process; undefined: it does not know it. */
  nameOf(pid: number): string | undefined {
    const table = Buffer.alloc(limit.PROCS_MAX * size.snapshot);
    readSync(this.#file, table, 0, table.length, this.#recorder + at.recorder_latest);
    const slots = Array.from({ length: limit.PROCS_MAX }, (_, i) =>
      table.subarray(i * size.snapshot, (i + 1) * size.snapshot),
    );
    const known = slots.find((slot) => slot.readUInt32LE(at.snapshot_pid) === pid);
    // Read: there is a start time.
    if (known === undefined || known.readBigUInt64LE(at.snapshot_start_time) === 0n)
      return undefined;
    const [name] = known.toString("latin1", at.snapshot_comm).split("\0");
    return name;
  }

  /** All of it, as it is now. */
  copy(): ArrayBuffer {
    const bytes = new Uint8Array(fstatSync(this.#file).size);
    readSync(this.#file, bytes, 0, bytes.length, 0);
    return bytes.buffer;
  }

  /** Other standing orders of the first guard; it must have had some. */
  order(...names: readonly (keyof typeof order)[]): void {
    const bytes = new Uint8Array(limit.ORDERS_MAX);
    bytes.set(names.map((name) => order[name]));
    this.#write(this.#word(at.region_standing_offset) + at.standing_orders, bytes);
  }

  /** As if it were another build's. */
  layoutIs(layout: number): void {
    this.#write(at.region_layout, new Uint8Array(Uint32Array.of(layout).buffer));
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(offset: number, bytes: Uint8Array): void {
    writeSync(this.#file, bytes, 0, bytes.length, offset);
  }

  #word(offset: number): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, offset);
    return Number(bytes.readBigUInt64LE());
  }
}

/** Returns when the processes that are there now have been looked at, in each of so many guards. */
export async function sampled(reprieve: Reprieve, guards = 1): Promise<void> {
  const region = new SharedRegion(await reprieve.helper("handler"));
  const seen = region.scans() + 2 * guards; // one may be under way
  await until("a look", () => region.scans() >= seen);
  region.close();
}

/** Returns when it is known by its program's name: a look may have come before its exec, and that is noticed within 16 looks. */
export async function knownAs(reprieve: Reprieve, pid: number, name: string): Promise<void> {
  const region = new SharedRegion(await reprieve.helper("handler"));
  await until(`${pid} to be known as ${name}`, () => region.nameOf(pid) === name, 5000, LOOK_MS);
  region.close();
}
