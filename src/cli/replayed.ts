// SPDX-License-Identifier: MIT
/**
 * What other orders would have done in an incident: whom they would have killed, when, and what would have been left, by the frames
 * that are kept with it. `rank` is the core's own (native/replay.c). Pure.
 */

import type { Incident } from "../journal/incident.ts";
import { diedIn, type LeftTo, leftTo } from "../journal/left-to.ts";
import type { StandingOrder, When } from "../native/guard-orders.ts";
import { at, rank_by, size } from "../native/layout.ts";
import type { WeighRule } from "../native/weighing.ts";
import {
  type Known,
  type Moment,
  type Moments,
  momentsOf,
  type Present,
  packed,
  presentAt,
  reallyFreed,
} from "./replay-frames.ts";
import { textOfRule } from "./weigh.ts";

/** One order, in words, and what is known of it: of a journal's not how much, where to, or which program. */
export type ReplayOrder = { readonly text: string } & Partial<StandingOrder>;

/** What is tried in place of what was. */
export interface ReplayOrders {
  /** Whose they are. */
  readonly by: string;
  readonly orders: readonly ReplayOrder[];
  /** Undefined: not known. */
  readonly weigh: readonly WeighRule[] | undefined;
  readonly when: When;
  /** Undefined: the default. */
  readonly marginBytes: number | undefined;
  readonly mayKill: boolean;
  /** In one incident. */
  readonly killsMost: number;
}

export interface ReplayedProcess {
  readonly pid: number;
  readonly comm: string;
  readonly uid: number | null;
  readonly anon_bytes: number;
  /** Its memory counts so many times. */
  readonly weight: number;
}

export interface Left {
  readonly processes: number;
  readonly usage_bytes: number;
  /** So much those who are left had grown in about the last second. */
  readonly grown_bytes: number;
}

export interface ReplayedKill extends ReplayedProcess {
  readonly order: string;
  /** From the event; below 0: before it. */
  readonly at_us: number;
  readonly left: Left;
}

export interface Replayed {
  readonly v: 1;
  readonly id: string;
  readonly guard: string;
  readonly cgroup: string;
  /** Whose orders these are. */
  readonly by: string;
  readonly orders: readonly string[];
  /** Tried before a kill; what comes of them cannot be known. */
  readonly untold: readonly string[];
  /** Of the first choice, from the event; below 0: before it. */
  readonly at_us: number;
  readonly usage_bytes: number;
  /** What the group may hold; with `when = "before"` less the margin. */
  readonly mark_bytes: number;
  /** The first to be killed foremost. */
  readonly candidates: readonly ReplayedProcess[];
  readonly victim: ReplayedProcess | null;
  readonly would: "kill" | "observe" | "hand-over";
  /** One after the other; without the power to kill nobody. */
  readonly kills: readonly ReplayedKill[];
  /** When nobody is left who may be killed, and it is not enough; null: it does not come to that. */
  readonly hand_over_us: number | null;
  readonly left: Left;
  /** By the kills that there were; where less would have been, it is not known whether that is enough. */
  readonly really_freed_bytes: number;
  /** Whom it was. */
  readonly really: readonly { readonly pid: number; readonly comm: string }[];
  /** Who may have killed others than `really`; null: these are all. */
  readonly really_left_to: LeftTo | null;
  /** Rules by program or group, which are not recorded. */
  readonly unheeded: number;
  readonly unheeded_rules: readonly string[];
  /** False: those of the incident's own guard are not kept with it. */
  readonly are_rules_known: boolean;
}

type Ranker = (processes: Uint8Array, by: number) => number[];

export function replayOf(incident: Incident, wanted: ReplayOrders, rank: Ranker): Replayed {
  const moments = momentsOf(incident, wanted);
  const [first] = moments.all;
  const replay = new Replay(incident, wanted, rank);
  const { present, candidates } = replay.look(first, wanted.orders.find(isKill));
  if (wanted.mayKill) replay.play(moments);
  const { kills, handOverUs } = replay;
  const victim = wanted.orders.some(isKill) ? (candidates[0] ?? null) : null;
  const { weigh } = wanted;
  const unheeded = (weigh ?? []).filter((one) => one.exe !== undefined || one.cgroup !== undefined);
  return {
    ...{ v: 1, id: incident.id, guard: incident.guard, cgroup: incident.cgroup, by: wanted.by },
    orders: wanted.orders.map(({ text }) => text),
    untold: untoldOf(wanted.orders).map(({ text }) => text),
    at_us: first.frame.t_us,
    usage_bytes: first.frame.usage_bytes,
    mark_bytes: moments.markBytes,
    candidates,
    victim,
    would: victim === null ? "hand-over" : wanted.mayKill ? "kill" : "observe",
    kills,
    hand_over_us: handOverUs,
    left: kills.at(-1)?.left ?? leftOf(present),
    really_freed_bytes: reallyFreed(incident),
    really: diedIn(incident).map(({ pid, comm }) => ({ pid, comm })),
    really_left_to: leftTo(incident),
    unheeded: unheeded.length,
    unheeded_rules: unheeded.map(textOfRule),
    are_rules_known: weigh !== undefined,
  };
}

// --- internal ---

/** The kills of an incident that has not been. */
class Replay {
  readonly kills: ReplayedKill[] = [];
  handOverUs: number | null = null;
  readonly #incident: Incident;
  readonly #killsMost: number;
  readonly #rank: Ranker;
  readonly #dead = new Set<number>();
  /** The first is the current one. */
  #orders: readonly ReplayOrder[];
  #freedBytes = 0;

  constructor(incident: Incident, { orders, killsMost }: ReplayOrders, rank: Ranker) {
    this.#incident = incident;
    this.#killsMost = killsMost;
    this.#rank = rank;
    const end = orders.findIndex(({ order }) => order === "HAND_OVER");
    this.#orders = orders.slice(0, end < 0 ? orders.length : end).filter(isKill);
  }

  play({ all, markBytes }: Moments): void {
    for (const moment of all) {
      while (this.#isNeeded(moment, markBytes)) {
        if (this.#kill(moment)) continue;
        this.handOverUs = moment.frame.t_us;
        return;
      }
    }
  }

  /** Who is there, and who would be killed. */
  look(moment: Moment, order: ReplayOrder | undefined) {
    const present = presentAt(this.#incident, moment, this.#dead);
    const structs = packed(present.processes);
    const by = order?.order === "KILL" ? (order.by ?? "LARGEST") : "LARGEST";
    const candidates = this.#rank(structs, rank_by[by]).flatMap((index) => {
      const one = present.processes[index];
      const percent = new DataView(structs.buffer, index * size.replayed + at.replayed_percent);
      return one ? [toldOf(one, percent.getUint32(0, true) / 100)] : [];
    });
    return { present, candidates };
  }

  #isNeeded(moment: Moment, markBytes: number): boolean {
    if (this.kills.length === 0) return true;
    const { inVainBytes } = moment;
    if (inVainBytes !== undefined) return this.#freedBytes <= inVainBytes;
    return presentAt(this.#incident, moment, this.#dead).usageBytes > markBytes;
  }

  /** False: there is nobody left, or no order. A plain kill is repeated, the others are given once. */
  #kill(moment: Moment): boolean {
    const [order, ...others] = this.#orders;
    if (order === undefined || this.kills.length >= this.#killsMost) return false;
    const { present, candidates } = this.look(moment, order);
    const [victim] = candidates;
    if (order.order !== "KILL" || victim === undefined) this.#orders = others;
    if (victim === undefined) return this.#kill(moment);
    const isAll = order.order === "KILL_GROUP_ALL";
    for (const { pid, anon_bytes } of isAll ? present.processes : [victim]) {
      this.#dead.add(pid);
      this.#freedBytes += anon_bytes;
    }
    const left = leftOf(presentAt(this.#incident, moment, this.#dead));
    this.kills.push({ ...victim, order: order.text, at_us: moment.frame.t_us, left });
    return true;
  }
}

function toldOf({ pid, comm, uid, anon_bytes }: Known, weight: number): ReplayedProcess {
  return { pid, comm, uid, anon_bytes, weight };
}

function leftOf({ usageBytes, processes }: Present): Left {
  const grown = processes.reduce((sum, { grown_bytes }) => sum + grown_bytes, 0);
  return { processes: processes.length, usage_bytes: usageBytes, grown_bytes: grown };
}

function isKill({ order }: ReplayOrder): boolean {
  return order === "TERMINATE" || order?.startsWith("KILL") === true;
}

/** Tried before a kill. */
function untoldOf(orders: readonly ReplayOrder[]): readonly ReplayOrder[] {
  const end = orders.findIndex((one) => isKill(one) || one.order === "HAND_OVER");
  return end < 0 ? orders : orders.slice(0, end);
}
