// SPDX-License-Identifier: MIT
/** What `explain` says of one group: a line of its --json. Fields may be added; none changes while `v` is 1. */

import type { Power } from "./order.ts";

/** A guard of the config file that matches the group. */
export interface RuleTold {
  readonly guard: string;
  readonly pattern: string;
  readonly decides: boolean;
  readonly why: string;
}

export interface OrderTold {
  readonly order: string;
  /** Null: it takes none. */
  readonly power: Power | null;
  /** False: it is only observed. */
  readonly acts: boolean;
  /** The key that says so. */
  readonly by: string;
  /** For relief, before the next is tried; null: what is left of the delay. */
  readonly bound_ms: number | null;
}

export interface ProcessTold {
  readonly pid: number;
  readonly comm: string;
  readonly uid: number;
  readonly score_bytes: number;
  /** By `prefer` and `avoid`: it counts so many times that. */
  readonly weight: number;
  readonly anon_bytes: number;
  /** Of them brought along, and charged elsewhere. */
  readonly brought_bytes: number;
  /** In about the last second, where the guard has orders or rules of its own. */
  readonly grown_bytes: number;
  readonly age_s: number;
}

export interface AskedTold extends Pick<ProcessTold, "pid" | "comm"> {
  readonly why: string;
  /** Its place among the candidates, from 1; null: it is none. */
  readonly place: number | null;
}

/** One line of --json. */
export interface Explanation {
  readonly v: 1;
  /** As a config file has it. */
  readonly cgroup: string;
  /** The process id of the one that guards it; null: this is what a run with this config would do. */
  readonly reprieve: number | null;
  /** The handler that answers for the group instead of these orders. */
  readonly designated: { readonly pid: number; readonly uid: number } | null;
  readonly state: string | null;
  /** The config file that the rules are of; null: there is none, or the running one has none. */
  readonly config: string | null;
  /** Why a run would leave it alone. */
  readonly why_not: string | null;
  readonly rules: readonly RuleTold[];
  /** What the running one has otherwise than the config file says. */
  readonly differs: readonly string[];
  readonly delay_ms: number;
  readonly margin_bytes: number;
  /** The orders are carried out: "at-oom", or "before", the margin under the limit. */
  readonly when: string;
  readonly usage_bytes: number;
  readonly limit_bytes: number | null;
  readonly raised_bytes: number;
  readonly orders: readonly OrderTold[];
  readonly caps: {
    readonly incident: number;
    readonly hour: number | null;
    readonly hour_kills: number;
    readonly host_hour: number | null;
    readonly host_hour_kills: number;
  };
  readonly processes: number;
  /** Children beyond those that are looked at, processes of other pid namespaces, memory of nobody who is looked at. */
  readonly unseen: { readonly groups: number; readonly processes: number; readonly bytes: number };
  /** Groups in it that go as a whole with a victim: memory.oom.group. */
  readonly whole: readonly string[];
  /** By what the orders choose: "largest", "newest", "fastest" or "weight". */
  readonly by: string;
  readonly candidates: readonly ProcessTold[];
  readonly more_candidates: number;
  readonly others: readonly { why: string; processes: number; first: ProcessTold }[];
  readonly asked: AskedTold | null;
}
