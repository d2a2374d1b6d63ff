// SPDX-License-Identifier: MIT
/**
 * Of the frames of a long time so few that an answer can have them: of each equal part of it the one with the most memory, so that no
 * peak is lost, and the newest. Pure. No more than that are kept while they come.
 */

/** Points that a chart can show. */
const PARTS_MOST = 600;
/** Pairs of pid and memory: some 800 KB of JSON. */
const PAIRS_MOST = 45_000;

export interface Measured {
  readonly t_us: number;
  readonly usage_bytes: number;
  readonly pairs: number;
}

/** `frames`: oldest first. */
export function thinned<F extends Measured>(
  frames: Iterable<F>,
  [fromUs, toUs]: readonly [number, number],
  pairsMost = PAIRS_MOST,
): F[] {
  const kept = new Kept<F>(fromUs, (toUs - fromUs) / PARTS_MOST);
  let newest: F | undefined;
  for (const frame of frames) {
    kept.put(frame);
    while (kept.pairs > pairsMost && kept.frames.length > 1) kept.widen();
    newest = frame;
  }
  const isThere = newest === undefined || kept.frames.at(-1) === newest;
  return isThere ? kept.frames : [...kept.frames, newest as F];
}

// --- internal ---

class Kept<F extends Measured> {
  frames: F[] = [];
  pairs = 0;
  readonly #fromUs: number;
  #partUs: number;

  constructor(fromUs: number, partUs: number) {
    this.#fromUs = fromUs;
    this.#partUs = partUs;
  }

  put(frame: F): void {
    const last = this.frames.at(-1);
    if (last !== undefined && this.#partOf(last) === this.#partOf(frame)) {
      if (last.usage_bytes > frame.usage_bytes) return;
      this.frames.pop();
      this.pairs -= last.pairs;
    }
    this.frames.push(frame);
    this.pairs += frame.pairs;
  }

  /** The parts are longer from now on. */
  widen(): void {
    const all = this.frames;
    this.#partUs *= 1.25;
    this.frames = [];
    this.pairs = 0;
    for (const frame of all) this.put(frame);
  }

  #partOf({ t_us }: F): number {
    return Math.floor((t_us - this.#fromUs) / this.#partUs);
  }
}
