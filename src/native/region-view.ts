// SPDX-License-Identifier: MIT
/**
 * A region that is only read: that of a reprieve which runs, or of one look (agent/look.ts). What is told of its
 * processes is the core's own word (native/explain.c).
 */

import { type Core, limitOf } from "./core.ts";
import type { GuardOrders, StandingOrder } from "./guard-orders.ts";
import { at, flag, limit, order, rank_by, role, size, state, want, why } from "./layout.ts";
import { wordsOf } from "./words.ts";

const PAGE_BYTES = 4096;

export type Why = keyof typeof why;
export type State = keyof typeof state;

/** A process of a guard, as the sampler knows it. */
export interface Explained {
  readonly pid: number;
  readonly uid: number;
  readonly anonBytes: number;
  /** Of them brought along, and charged elsewhere. */
  readonly baseBytes: number;
  readonly scoreBytes: number;
  /** It counts so many times that. */
  readonly weight: number;
  /** In about the last second, where the guard has orders of its own. */
  readonly grownBytes: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
  readonly why: Why;
  readonly oomScoreAdj: number;
  /** Hostile text. */
  readonly comm: string;
}

/** What a guard is ordered, and where it stands. */
export interface Standing extends GuardOrders {
  readonly state: State;
  readonly usageBytes: number;
  readonly limitBytes: number | undefined;
  /** Children beyond those that are looked at. */
  readonly unsampledGroups: number;
  readonly raisedBytes: number;
  /** Of the last raise, given back or not: what the limit was before. */
  readonly raisedFromBytes: number | undefined;
  readonly hourKills: number;
  /** Who answers for the group instead of reprieve's own handler. */
  readonly designated: { readonly pid: number; readonly uid: number } | undefined;
}

export class RegionView {
  readonly #core: Core;
  readonly #bytes: Uint8Array;
  readonly #data: DataView;

  constructor(core: Core, buffer: ArrayBuffer) {
    this.#core = core;
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
  }

  /** Which guard is that of a group; undefined: none. */
  indexOf(path: string, inode: number): number | undefined {
    const guards = Array.from({ length: this.#u32(at.region_guards_max) }, (_, index) => index);
    return guards.find((index) => {
      const base = this.#guard(index);
      if (this.#u32(base + at.guard_want) === want.NOTHING) return false;
      const known = this.#u64(base + at.guard_inode);
      return known === 0 ? this.#cstring(base + at.guard_path) === path : known === inode;
    });
  }

  standing(guard: number): Standing {
    const base = this.#guard(guard);
    const path = this.#cstring(base + at.guard_path);
    const flags = this.#u32(base + at.guard_flags);
    const ordered = this.#standing(guard);
    return {
      path,
      inode: BigInt(this.#u64(base + at.guard_inode)),
      name: Buffer.from(path).toString("utf8", this.#u32(base + at.guard_name_at)),
      marginBytes: this.#u64(base + at.guard_margin_bytes),
      delayMs: this.#u32(base + at.guard_delay_ms),
      when: flags & flag.BEFORE ? "before" : "at-oom",
      allowKill: (flags & flag.ALLOW_KILL) !== 0,
      allowLimits: (flags & flag.ALLOW_LIMITS) !== 0,
      allowMove: (flags & flag.ALLOW_MOVE) !== 0,
      allowHooks: (flags & flag.ALLOW_HOOKS) !== 0,
      owned: (flags & flag.OWNED) !== 0,
      orders: ordered === undefined ? [{ order: "KILL" }] : this.#orders(ordered),
      caps: ordered === undefined ? undefined : this.#caps(ordered),
      state: nameOf(state, this.#u32(base + at.guard_state)),
      usageBytes: this.#u64(base + at.guard_usage_bytes),
      limitBytes: limitOf(this.#u64(base + at.guard_limit_bytes)),
      unsampledGroups: this.#u32(base + at.guard_unsampled_groups),
      raisedFromBytes:
        ordered === undefined
          ? undefined
          : limitOf(this.#u64(ordered + at.standing_raised_limit_bytes)),
      raisedBytes: ordered === undefined ? 0 : this.#u64(ordered + at.standing_raised_added_bytes),
      hourKills: this.#core.hourKills(this.#bytes, guard),
      designated: this.#designated(base),
    };
  }

  /** Of all guards together; most 0: no cap. */
  hostCap(): { readonly most: number; readonly kills: number } {
    return {
      most: this.#u32(at.region_hour_cap),
      kills: this.#core.hourKills(this.#bytes),
    };
  }

  /** Of all looks so far. */
  scanCpuNs(): number {
    return this.#u64(this.#u64(at.region_recorder_offset) + at.recorder_scan_cpu_ns);
  }

  /** 1: the handler has looked at it; else 0 or -errno. */
  looked(guard: number): number {
    return this.#data.getInt32(this.#guard(guard) + at.guard_attached + 4 * role.HANDLER, true);
  }

  /** Candidates first, the next victim foremost. */
  processes(guard: number): Explained[] {
    const out = new Uint8Array(limit.PROCS_MAX * size.explained);
    const count = this.#core.explain(this.#bytes, guard, out);
    const all = Array.from({ length: count }, (_, i) => explainedAt(out, i * size.explained));
    // One that went while it was read.
    return all.filter(({ pid }) => pid > 0);
  }

  // --- internal ---

  #orders(base: number): StandingOrder[] {
    const numbers = this.#bytes.subarray(base + at.standing_orders).subarray(0, limit.ORDERS_MAX);
    const end = numbers.indexOf(0);
    return [...(end < 0 ? numbers : numbers.subarray(0, end))].map((number) => {
      const name = nameOf(order, number);
      if (name === "RAISE") {
        return {
          order: name,
          byBytes: this.#u64(base + at.standing_raise_by_bytes),
          mostBytes: this.#u64(base + at.standing_raise_most_bytes),
        };
      }
      if (name === "HOOK") {
        const [program = "", ...args] = wordsOf(this.#cstring(base + at.standing_hook)) ?? [];
        const boundMs = this.#u32(base + at.standing_hook_bound_ms);
        return { order: name, argv: [program, ...args], boundMs };
      }
      const by = nameOf(rank_by, this.#u32(base + at.standing_rank_by));
      if (name === "KILL" && by !== "LARGEST") return { order: name, by };
      const graceMs = this.#u32(base + at.standing_grace_ms);
      if (name === "TERMINATE" && graceMs !== 0) return { order: name, graceMs };
      if (name === "MOVE") return { order: name, to: this.#cstring(base + at.standing_move_to) };
      return { order: name };
    });
  }

  #designated(base: number) {
    const pid = this.#u32(base + at.guard_designated_pid);
    return pid === 0 ? undefined : { pid, uid: this.#u32(base + at.guard_designated_uid) };
  }

  #caps(base: number) {
    const incident = this.#u32(base + at.standing_incident_cap);
    const hour = this.#u32(base + at.standing_hour_cap);
    return { incident: incident || undefined, hour: hour || undefined };
  }

  #guard(index: number): number {
    return at.region_guards + index * size.guard;
  }

  #standing(guard: number): number | undefined {
    const offset = this.#u64(at.region_standing_offset);
    return offset === 0 ? undefined : offset + guard * size.standing;
  }

  #u32(offset: number): number {
    return this.#data.getUint32(offset, true);
  }

  #u64(offset: number): number {
    return Number(this.#data.getBigUint64(offset, true));
  }

  #cstring(offset: number): string {
    return textOf(this.#bytes.subarray(offset).subarray(0, limit.PATH_BYTES));
  }
}

function explainedAt(out: Uint8Array, base: number): Explained {
  const data = new DataView(out.buffer, base, size.explained);
  const pages = (offset: number) => data.getUint32(offset, true) * PAGE_BYTES;
  const comm = out.subarray(base + at.explained_comm).subarray(0, limit.COMM_BYTES);
  return {
    pid: data.getUint32(at.explained_pid, true),
    uid: data.getUint32(at.explained_uid, true),
    anonBytes: pages(at.explained_anon_pages),
    baseBytes: pages(at.explained_base_pages),
    scoreBytes: pages(at.explained_score_pages),
    weight: data.getUint32(at.explained_percent, true) / 100,
    grownBytes: pages(at.explained_grown_pages),
    startTicks: Number(data.getBigUint64(at.explained_start_time, true)),
    why: nameOf(why, data.getUint32(at.explained_why, true)),
    oomScoreAdj: data.getInt16(at.explained_oom_score_adj, true),
    comm: textOf(comm),
  };
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** The name of an enum's number; there is one for each. */
function nameOf<T extends Readonly<Record<string, number>>>(names: T, number: number): keyof T {
  return Object.keys(names).find((name) => names[name] === number) as keyof T;
}
