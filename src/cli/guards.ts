// SPDX-License-Identifier: MIT
/** Which groups may be guarded, and the locks that keep a second reprieve away from them. */

import { closeSync } from "node:fs";
import { join, relative } from "node:path";
import { attachError } from "../agent/attaching.ts";
import { codeOf, inodeOf, whyNotWritable } from "../cgroup/files.ts";
import { holdsUs, processesOf, resolveGroup, whyHeld, whyUnsafe } from "../cgroup/group.ts";
import { type Hierarchy, refusal } from "../cgroup/hierarchy.ts";
import { type Kind, kindOf, type OurSwitch } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, NativeError } from "../native/core.ts";
import type { Caps, GuardOrders, Sampling } from "../native/guard-orders.ts";
import { limit } from "../native/layout.ts";
import { bytes, visible } from "../shown.ts";
import { type Decided, type OrderOptions, standingOf, warningsOf } from "./orders.ts";

/** No burst outran the arming with 8 MiB or more, 240 tried (measured); twice that. */
export const MARGIN_MOST_BYTES = 16 * 2 ** 20;

export interface GuardSetup {
  readonly core: Core;
  readonly memory: Hierarchy;
  readonly options: {
    readonly replace?: true | number;
  };
}

/** A group that is to be guarded, and how. */
export interface Wanted {
  readonly path: string;
  readonly margin: number | undefined;
  readonly orders: OrderOptions;
  readonly decided?: Decided;
  readonly caps?: Caps | undefined;
  readonly sampling?: Sampling | undefined;
  /** The guard whose glob has found it: where it cannot be guarded it is left out. */
  readonly foundBy?: string;
}

export interface Prepared {
  readonly guards: readonly GuardOrders[];
  readonly locks: Locks;
  readonly others: readonly string[];
  /** Lines for the person. */
  readonly remarks: readonly string[];
}

export const NO_GROUP_LEFT = "no group is left to be guarded";

/** Groups that a glob found and that cannot be guarded, to be said at once. */
export class LeftOut {
  readonly #all: { path: string; why: string; foundBy: string }[] = [];

  /** What `action` returns; undefined: the group is left out. */
  attempt<T>({ path, foundBy }: Pick<Wanted, "path" | "foundBy">, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (foundBy === undefined || !(error instanceof CliError)) throw error;
      this.add(path, error.message, foundBy);
      return undefined;
    }
  }

  add(path: string, why: string, foundBy: string): void {
    this.#all.push({ path, why, foundBy });
  }

  get all(): readonly { readonly path: string; readonly why: string }[] {
    return this.#all;
  }

  /** One line a guard, with the first of them. */
  lines(): string[] {
    const byGuard = Map.groupBy(this.#all, ({ foundBy }) => foundBy);
    return [...byGuard].map(([guard, [first, ...others]]) => {
      const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
      return visible(`guard ${guard} leaves out: ${first?.why}${more}`);
    });
  }
}

/** The locks we hold, by group. */
export class Locks {
  readonly #core: Core;
  readonly #held = new Map<string, number>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** False: another reprieve has it. */
  take(path: string): boolean {
    if (this.#held.has(path)) return true;
    try {
      this.#held.set(path, this.#core.lockGroup(path));
      return true;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      if (error.errno !== "EAGAIN") throw attachError(visible(path), "lock", error.errno);
      return false;
    }
  }

  has(path: string): boolean {
    return this.#held.has(path);
  }

  giveUp(path: string): void {
    const fd = this.#held.get(path);
    if (fd !== undefined) closeSync(fd);
    this.#held.delete(path);
  }

  close(): void {
    for (const path of [...this.#held.keys()]) this.giveUp(path);
  }
}

/** An existing group in which we may write. */
export function demandGroup(memory: Hierarchy, given: string): string {
  const path = resolveGroup(memory, given);
  const kind = kindOf(memory);
  const why = kind.whyNoGuard(path);
  if (why !== undefined) throw unsafe(path, why);
  const errno = whyNotWritable(join(path, kind.switchFile));
  if (errno === undefined) return path;
  throw refusal(`cannot guard ${visible(path)}`, errno, memory.root);
}

/**
 * Refuses what must not be armed, and takes the locks that keep a second reprieve away. `others`: groups that
 * another one guards, whose locks are to be had later.
 */
export function prepareGuards(
  setup: GuardSetup,
  wanted: readonly Wanted[],
  owned: boolean,
  leftOut: LeftOut,
): Prepared {
  const locks = new Locks(setup.core);
  const others: string[] = [];
  const take = (path: string): true => {
    demandShort(path);
    if (locks.take(path)) return true;
    if (!setup.options.replace) {
      throw inUse(path, "another reprieve guards it already (--replace takes it over)");
    }
    others.push(path);
    return true;
  };
  // All locks first: what a group's descendants hold may be the other one's too.
  const locked = wanted.filter((one) => leftOut.attempt(one, () => take(one.path)));
  const done = locked.flatMap((one) => {
    const guard = leftOut.attempt(one, () => specOf(setup, one, owned, others));
    if (guard === undefined) locks.giveUp(one.path);
    return guard === undefined ? [] : [{ one, guard }];
  });
  const ordered = done.map(({ one, guard }) => {
    const { name, orders } = guard;
    const { granted, handler } = one.orders;
    return { name, orders, granted, handler, decided: one.decided };
  });
  const isKept = new Set(done.map(({ one }) => one.path));
  return {
    guards: done.map(({ guard }) => guard),
    locks,
    others: others.filter((path) => isKept.has(path)),
    remarks: [
      ...leftOut.lines(),
      ...warningsOf(ordered, owned),
      ...done.flatMap(({ one }) => (one.orders.granted.has("kill") ? notKillable(one.path) : [])),
    ],
  };
}

/** The same for a group that was found while others are guarded; `ours` of them may have their killer off. */
export function claimGuard(
  setup: GuardSetup,
  locks: Locks,
  wanted: Wanted,
  ours: readonly string[],
): GuardOrders {
  const { path } = wanted;
  demandGroup(setup.memory, path);
  demandShort(path);
  if (!locks.take(path)) throw inUse(path, "another reprieve guards it already");
  try {
    return specOf(setup, wanted, false, ours);
  } catch (error) {
    locks.giveUp(path);
    throw error;
  }
}

/** Of a group that has none; undefined: it has. */
export function whyNoLimit(kind: Kind, path: string, ours: OurSwitch): CliError | undefined {
  return kind.limitOf(path, ours) === undefined ? unsafe(path, kind.noLimit) : undefined;
}

/** Somebody else's switch is respected; that of a group in `ours` is, or was, a reprieve's. */
export function demandNotHeld(path: string, ours: readonly string[] = []): void {
  const why = whyHeld(path, ours);
  if (why !== undefined) throw unsafe(path, why);
}

/** How a group is guarded; refuses what must not be armed. Takes no lock and changes nothing. */
export function specOf(
  { memory }: Pick<GuardSetup, "memory">,
  { path, margin, orders, caps, sampling, foundBy }: Wanted,
  owned: boolean,
  others: readonly string[],
): GuardOrders {
  const kind = kindOf(memory);
  const why =
    (foundBy === undefined ? undefined : whyOurs(path)) ??
    whyUnsafe(path) ??
    (orders.handler === "inside" ? kind.whyNotInside(path) : undefined);
  if (why !== undefined) throw unsafe(path, why);
  demandNotHeld(path, others);
  const inode = inodeOf(path);
  if (inode === undefined) throw attachError(visible(path), "agent", "ENOENT");
  return {
    name: relative(memory.root, path),
    path,
    inode,
    marginBytes: marginOf(kind, path, margin),
    delayMs: orders.delay ?? kind.delay.defaultMs,
    ...standingOf(memory, orders, path),
    caps,
    sampling,
    owned,
  };
}

// --- internal ---

/** The power to kill is ours to have been given, and the right to is the kernel's. */
function notKillable(path: string): string[] {
  const pid = processesOf(path).find((one) => {
    try {
      process.kill(one, 0);
      return false;
    } catch (error) {
      return codeOf(error) === "EPERM";
    }
  });
  if (pid === undefined) return [];
  const why = "it is another user's: give CAP_KILL, or run as that user";
  return [visible(`process ${pid} in ${path} cannot be killed, nor who is like it: ${why}`)];
}

function inUse(path: string, why: string): CliError {
  return new CliError(exit.inUse, `cannot guard ${visible(path)}: ${why}`);
}

function demandShort(path: string): void {
  if (Buffer.byteLength(path) < limit.PATH_BYTES) return;
  const most = limit.PATH_BYTES - 1;
  throw new CliError(exit.usage, `cannot guard ${visible(path)}: its path has over ${most} bytes`);
}

/** Of what a glob finds: an agent's own container is one among those of its node. */
function whyOurs(path: string): string | undefined {
  return holdsUs(path) ? "this reprieve lives in it: name it without a glob" : undefined;
}

function marginOf(kind: Kind, path: string, wanted: number | undefined): number {
  const limitBytes = kind.limitOf(path);
  if (limitBytes === undefined) throw unsafe(path, kind.noLimit);
  const margin = wanted ?? Math.min(MARGIN_MOST_BYTES, Math.floor(limitBytes / 4));
  if (margin < limitBytes) return margin;
  const most = bytes(limitBytes);
  throw new CliError(exit.usage, `--margin must be below the limit of ${visible(path)}, ${most}`);
}

function unsafe(path: string, why: string): CliError {
  return new CliError(exit.unsafe, `refusing to guard ${visible(path)}: ${why}`);
}
