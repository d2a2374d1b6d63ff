// SPDX-License-Identifier: MIT
/** What the agent orders for one group, as region.ts writes it; region-view.ts reads it. */

import type { RegionParts } from "./core.ts";
import { limit, type order, type rank_by, type source } from "./layout.ts";
import type { WeighRule } from "./weighing.ts";

/** What the agent orders for one group. */
export interface GuardOrders {
  /** What messages call it: the end of its path. */
  readonly name: string;
  readonly path: string;
  /** Of the group's directory: another group at that path is another group. */
  readonly inode: bigint;
  readonly marginBytes: number;
  /** The orders are carried out; undefined: at the OOM. */
  readonly when?: When;
  readonly delayMs: number;
  readonly allowKill: boolean;
  readonly allowLimits: boolean;
  readonly allowMove: boolean;
  readonly allowHooks: boolean;
  readonly owned: boolean;
  readonly orders: readonly StandingOrder[];
  /** What processes count for; undefined: all the same. */
  readonly weigh?: readonly WeighRule[];
  readonly caps?: Caps | undefined;
  readonly sampling?: Sampling | undefined;
}

export type Source = keyof typeof source;

/** In ms: how often its processes are looked at, far from its limit and inside its margin. */
export interface Sampling {
  readonly far: number;
  readonly near: number;
}

/** At the limit; or the margin below it, and the group is never held. */
export type When = "at-oom" | "before";

/** The most kills; then the kernel decides. */
export interface Caps {
  readonly incident?: number | undefined;
  readonly hour?: number | undefined;
}

/** What is tried at an OOM, one after the other, until there is relief. */
export type StandingOrder =
  | { readonly order: "RAISE"; readonly byBytes: number; readonly mostBytes: number }
  | { readonly order: "MOVE"; readonly to: string }
  | { readonly order: "KILL"; readonly by?: RankBy }
  /** `graceMs`: from SIGTERM to SIGKILL. */
  | { readonly order: "TERMINATE"; readonly graceMs?: number }
  | Hook
  | {
      readonly order: Exclude<keyof typeof order, "RAISE" | "MOVE" | "KILL" | "HOOK" | "TERMINATE">;
    };

/** Whom an order takes; the largest where it does not say. */
type RankBy = Exclude<keyof typeof rank_by, "LARGEST">;

/** A program that is run; the first word is its path. */
export interface Hook {
  readonly order: "HOOK";
  readonly argv: readonly [string, ...string[]];
  /** So long relief by it is waited for. */
  readonly boundMs?: number | undefined;
}

/** The core's own, where the region has none. */
export function isDefault({ orders, caps, weigh }: GuardOrders): boolean {
  const [first] = orders;
  const isKill = orders.length === 1 && first?.order === "KILL" && first.by === undefined;
  return isKill && caps === undefined && weigh === undefined;
}

export type Parts = Omit<RegionParts, "isRanked" | "isRecorded">;

/** What a region for these guards needs. */
export function partsOf(guards: readonly GuardOrders[]): Parts {
  const lists = guards.flatMap(({ weigh }) => (weigh === undefined ? [] : [JSON.stringify(weigh)]));
  return {
    isOrdered: guards.some((guard) => !isDefault(guard)),
    weighings: new Set(lists).size,
  };
}

/** Of a guard that is not told another. */
export const SAMPLING: Sampling = { far: limit.SAMPLE_FAR_MS, near: limit.SAMPLE_NEAR_MS };
