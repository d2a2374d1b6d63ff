// SPDX-License-Identifier: MIT
/** Wakes for what happens to a directory that comes and goes, and for writes to the files in it. By inotify: no polling. */

import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

/** A group is made and written to in one go: one look is enough. */
const SETTLE_MS = 10;

export class PathWatch {
  readonly #path: string;
  readonly #changed: () => void;
  #watchers: FSWatcher[] = [];
  #soon: Timer | undefined;

  constructor(path: string, changed: () => void) {
    this.#path = path;
    this.#changed = changed;
    this.#look();
  }

  close(): void {
    clearTimeout(this.#soon);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  // --- internal ---

  /** Watches first: what happens from now on is not missed. */
  #look = (): void => {
    this.close();
    this.#watchers = chainOf(this.#path).flatMap((dir) => this.#watch(dir));
    this.#changed();
  };

  #event = (): void => {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(this.#look, SETTLE_MS);
  };

  /** None of a directory that is not there. */
  #watch(dir: string): FSWatcher[] {
    try {
      return [watch(dir, this.#event).on("error", this.#event)];
    } catch {
      return [];
    }
  }
}

// --- internal ---

/** It and all above it: one that goes is told of by the one above. */
function chainOf(dir: string): string[] {
  return dir === dirname(dir) ? [] : [dir, ...chainOf(dirname(dir))];
}
