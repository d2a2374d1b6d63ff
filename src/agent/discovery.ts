// SPDX-License-Identifier: MIT
/**
 * Sees groups come and go, and get and lose their limits, wherever one may be guarded. By inotify: no polling.
 *
 * It tells of paths at which something has changed, and not what: who hears of it looks. So nothing depends on the order in
 * which things happened, or on how often, and when the kernel has dropped events all paths are told of.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Kind } from "../cgroup/kind.ts";
import { type Core, errnoName } from "../native/core.ts";
import { type Change, change, Inotify } from "./inotify.ts";

export interface Reach {
  /** Whether the group at this path may be guarded. */
  readonly mayBe: (path: string) => boolean;
  /** Whether one below it may be. */
  readonly mayHold: (path: string) => boolean;
}

interface DiscoverySetup extends Reach {
  readonly core: Core;
  readonly kind: Kind;
  /** Of the hierarchy. */
  readonly root: string;
  readonly changed: (path: string) => void;
  /** It has another name now, and all below it another path. */
  readonly renamed: (path: string) => void;
  readonly say: (text: string) => void;
}

/** What a watch is on: a group's directory, for the groups in it, one of its limits, or what hands the controller down. */
interface Watched {
  readonly path: string;
  readonly what: "groups" | "limit" | "control";
}

const COMINGS = change.CREATE | change.MOVED_TO;
const GOINGS = change.DELETE | change.MOVED_FROM;
const GONE: ReadonlySet<string> = new Set(["ENOENT", "ENODEV", "ENOTDIR"]);

export class Discovery {
  readonly #setup: DiscoverySetup;
  readonly #inotify: Inotify;
  readonly #watched = new Map<number, Watched>();
  /** The watches of each group that is known. */
  readonly #known = new Map<string, number[]>();
  #hasComplained = false;

  constructor(setup: DiscoverySetup) {
    this.#setup = setup;
    this.#inotify = new Inotify(setup.core);
  }

  /** Tells of all groups that are there, and from then on of what changes. */
  start(): void {
    this.#find(this.#setup.root);
    void this.#follow();
  }

  async close(): Promise<void> {
    await this.#inotify.close();
  }

  /** Forgets what is watched, and tells of all groups: the kernel has dropped events, or others may be guarded. */
  findAnew(): void {
    const before = [...this.#known.keys()];
    for (const watch of this.#watched.keys()) this.#inotify.remove(watch);
    this.#watched.clear();
    this.#known.clear();
    this.#find(this.#setup.root);
    for (const path of before) if (!this.#known.has(path)) this.#setup.changed(path);
  }

  // --- internal ---

  async #follow(): Promise<void> {
    for await (const changes of this.#inotify.changes()) {
      if (changes.some(({ mask }) => mask & change.OVERFLOW)) this.findAnew();
      else for (const one of changes) this.#take(one);
    }
  }

  #take({ watch, mask, name }: Change): void {
    const { path, what } = this.#watched.get(watch) ?? {};
    if (path === undefined) return;
    if (what === "limit") this.#setup.changed(path);
    else if (what === "control") this.#findIn(path);
    else if (mask & GOINGS) this.#lose(join(path, name), (mask & change.MOVED_FROM) !== 0);
    else if (mask & COMINGS) this.#find(join(path, name));
  }

  /** Watches first: what happens from now on is not missed. */
  #find(path: string): void {
    const { kind, mayBe, mayHold, changed } = this.#setup;
    const isWanted = mayBe(path);
    const isHolder = mayHold(path);
    if (!isWanted && !isHolder) return;
    if (!this.#known.has(path)) this.#known.set(path, []);
    if (isHolder) this.#watch(path, "groups", path, COMINGS | GOINGS | change.ONLYDIR);
    if (isHolder && kind.controlFile !== undefined) {
      this.#watch(path, "control", join(path, kind.controlFile), change.MODIFY);
    }
    if (isWanted) {
      for (const file of kind.limitFiles) {
        this.#watch(path, "limit", join(path, file), change.MODIFY);
      }
      changed(path);
    }
    if (isHolder) this.#findIn(path);
  }

  #findIn(path: string): void {
    for (const name of namesIn(path)) this.#find(join(path, name));
  }

  /** With all below it: where they have gone to, if they have, is told too. */
  #lose(path: string, isRenamed: boolean): void {
    const isBelow = (one: string) => one === path || (isRenamed && one.startsWith(`${path}/`));
    for (const one of isRenamed ? [...this.#known.keys()].filter(isBelow) : [path]) {
      for (const watch of this.#known.get(one) ?? []) this.#unwatch(watch);
      this.#known.delete(one);
      if (isRenamed) this.#setup.renamed(one);
      this.#setup.changed(one);
    }
  }

  #watch(path: string, what: Watched["what"], file: string, mask: number): void {
    const watch = this.#inotify.add(file, mask);
    if (watch < 0) {
      this.#complain(path, errnoName(watch));
      return;
    }
    // Of a group that was here before, and whose end is yet to be told of.
    if (!this.#watched.has(watch)) this.#known.get(path)?.push(watch);
    this.#watched.set(watch, { path, what });
  }

  #unwatch(watch: number): void {
    this.#inotify.remove(watch);
    this.#watched.delete(watch);
  }

  #complain(path: string, errno: string): void {
    if (GONE.has(errno) || this.#hasComplained) return;
    this.#hasComplained = true;
    const remedy = errno === "ENOSPC" ? ": raise the sysctl fs.inotify.max_user_watches" : "";
    this.#setup.say(
      `cannot watch ${path} (${errno})${remedy}; what changes there, and perhaps elsewhere, is not seen`,
    );
  }
}

// --- internal ---

function namesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // it was removed meanwhile
  }
}
