// SPDX-License-Identifier: MIT
/** The last messages, for who comes back or was slow. Bounded by their number and by their bytes. */

import type { Entry } from "./present.ts";

/** An hour of a host on which something happens every second. */
const MESSAGES_MOST = 4096;
const BYTES_MOST = 4 << 20;

export class Ring {
  readonly #entries: (Entry | undefined)[] = new Array(MESSAGES_MOST);
  #oldest = 1;
  #newest = 0;
  #bytes = 0;

  push(entry: Entry): void {
    this.#newest = entry.seq;
    if (this.#newest - this.#oldest >= MESSAGES_MOST) this.#drop();
    this.#entries[entry.seq % MESSAGES_MOST] = entry;
    this.#bytes += entry.line.length;
    while (this.#bytes > BYTES_MOST) this.#drop();
  }

  /** 0: there was none. */
  get newest(): number {
    return this.#newest;
  }

  /** Nothing behind `seq` is missing. */
  holdsAfter(seq: number): boolean {
    return seq + 1 >= this.#oldest && seq <= this.#newest;
  }

  get(seq: number): Entry | undefined {
    const entry = this.#entries[seq % MESSAGES_MOST];
    return entry?.seq === seq ? entry : undefined;
  }

  // --- internal ---

  #drop(): void {
    this.#bytes -= this.get(this.#oldest)?.line.length ?? 0;
    this.#entries[this.#oldest % MESSAGES_MOST] = undefined;
    this.#oldest++;
  }
}
