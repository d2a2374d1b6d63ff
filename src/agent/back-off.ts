// SPDX-License-Identifier: MIT
/** How long to wait before what has died is started again: longer each time, unless it lived for long. Pure. */

const FIRST_MS = 100;
const MOST_MS = 5000;
/** What lived so long did not die of what killed the last one. */
const FORGIVEN_AFTER_MS = 60_000;

export class BackOff {
  #lastMs: number | undefined;

  next(livedMs: number): number {
    const lastMs = livedMs > FORGIVEN_AFTER_MS ? undefined : this.#lastMs;
    this.#lastMs = lastMs === undefined ? FIRST_MS : Math.min(lastMs * 2, MOST_MS);
    return this.#lastMs;
  }
}
