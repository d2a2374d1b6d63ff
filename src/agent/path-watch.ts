// SPDX-License-Identifier: MIT
/** Wakes for what happens to a directory that comes and goes, and for writes to the files in it. By inotify: no polling. */

import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** A group is made and written to in one go: one look is enough. */
const SETTLE_MS = 10;

interface Watched {
  readonly watcher: FSWatcher;
  readonly inode: number;
}

export class PathWatch {
  readonly #path: string;
  readonly #changed: () => void;
  readonly #watched = new Map<string, Watched>();
  #soon: Timer | undefined;

  constructor(path: string, changed: () => void) {
    this.#path = path;
    this.#changed = changed;
    this.#look();
  }

  close(): void {
    clearTimeout(this.#soon);
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  // --- internal ---

  /** Watches first: what happens from now on is not missed. */
  #look = (): void => {
    for (const dir of chainOf(this.#path)) this.#watch(dir);
    this.#changed();
  };

  #event = (): void => {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(this.#look, SETTLE_MS);
  };

  /**
   * None of a directory that is not there. One that is watched already is left alone: or each event would begin all anew.
   */
  #watch(dir: string): void {
    const inode = statSync(dir, { throwIfNoEntry: false })?.ino;
    const before = this.#watched.get(dir);
    if (before?.inode === inode) return;
    before?.watcher.close();
    this.#watched.delete(dir);
    if (inode === undefined) return;
    try {
      this.#watched.set(dir, { watcher: watch(dir, this.#event).on("error", this.#event), inode });
    } catch {
      // It went just now, which the one above tells.
    }
  }
}

// --- internal ---

/** It and all above it: one that goes is told of by the one above. */
function chainOf(dir: string): string[] {
  return dir === dirname(dir) ? [] : [dir, ...chainOf(dirname(dir))];
}
