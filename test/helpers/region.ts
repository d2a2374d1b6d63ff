// SPDX-License-Identifier: MIT
/** What the helpers of a running reprieve know, read in their region through the handler's descriptor. */
import { closeSync, openSync, readSync } from "node:fs";
import { at, fd } from "../../src/native/layout.ts";

export class SharedRegion {
  readonly #file: number;
  readonly #recorder: number;

  constructor(handler: number) {
    this.#file = openSync(`/proc/${handler}/fd/${fd.REGION}`, "r");
    this.#recorder = this.#word(at.region_recorder_offset);
  }

  /** Scans of groups so far. */
  scans(): number {
    return this.#word(this.#recorder + at.recorder_snapshots);
  }

  close(): void {
    closeSync(this.#file);
  }

  #word(offset: number): number {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, offset);
    return Number(bytes.readBigUInt64LE());
  }
}
