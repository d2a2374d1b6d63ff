// SPDX-License-Identifier: MIT
/** Which place in the region is whose, and which guards hide each other's OOMs. */

import { allAbove } from "../cgroup/group.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import type { Region } from "../native/region.ts";

/** What is at one of them; its life is told in slots.ts. */
export interface Slot {
  readonly index: number;
  readonly guard: GuardOrders;
  stage: "arming" | "armed" | "leaving";
  /** What the group's switch said before it was armed. */
  switchBefore?: string | undefined;
  /** It lives on under another name. */
  isElsewhere?: boolean;
  /** What this group is called by now: looked at when it is free. */
  next?: string;
  /** The helpers have been told. */
  isLetGo?: boolean;
  /** Tried again only later. */
  hasFailed?: boolean;
}

export class Places {
  readonly #region: Region;
  readonly #most: number;
  readonly #slots: (Slot | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byPath = new Map<string, Slot>();
  /** By directory: so many are below it. */
  readonly #below = new Map<string, number>();

  /** `most`: so many guards the region has. */
  constructor(region: Region, most: number) {
    this.#region = region;
    this.#most = most;
  }

  *[Symbol.iterator](): Generator<Slot> {
    for (const slot of this.#slots) if (slot !== undefined) yield slot;
  }

  /** Free ones between them included. */
  get used(): number {
    return this.#slots.length;
  }

  at(path: string): Slot | undefined {
    return this.#byPath.get(path);
  }

  of(inode: bigint): Slot | undefined {
    return this.#slots.find((slot) => slot?.guard.inode === inode);
  }

  /** undefined: there is no room. */
  nextFree(): number | undefined {
    const index = this.#free.at(-1) ?? this.#slots.length;
    return index < this.#most ? index : undefined;
  }

  /** In the one that is free next. */
  put(guard: GuardOrders): Slot {
    const index = this.#free.pop() ?? this.#slots.length;
    const slot: Slot = { index, guard, stage: "arming" };
    this.#slots[index] = slot;
    this.#byPath.set(guard.path, slot);
    this.#region.setOrders(index, guard, index);
    this.#count(guard.path, 1);
    this.#plant(guard.path);
    return slot;
  }

  free({ index, guard }: Slot): void {
    this.#slots[index] = undefined;
    this.#byPath.delete(guard.path);
    this.#free.push(index);
    this.#count(guard.path, -1);
    this.#plant(guard.path);
  }

  // --- internal ---

  #count(path: string, by: 1 | -1): void {
    for (const above of allAbove(path)) {
      const count = (this.#below.get(above) ?? 0) + by;
      if (count > 0) this.#below.set(above, count);
      else this.#below.delete(above);
    }
  }

  /** A guard has come or gone there: the outermost of a tree of them gives it its number. */
  #plant(path: string): void {
    const own = this.#byPath.get(path);
    const below = this.#below.has(path) ? [...this] : [];
    for (const slot of own === undefined ? below : [own, ...below]) {
      const { index, guard } = slot;
      if (slot !== own && !guard.path.startsWith(`${path}/`)) continue;
      const above = allAbove(guard.path).flatMap((one) => this.#byPath.get(one)?.index ?? []);
      this.#region.setTree(index, above.at(-1) ?? index);
    }
  }
}
