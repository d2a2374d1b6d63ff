// SPDX-License-Identifier: MIT
/**
 * Hop 6a: the agent's view of the shared region, typed by the generated layout.
 *
 * Words that others write are read with Atomics: JSC hoists plain loads out of loops. The agent writes a guard's
 * orders, the tails of the logs and `stop`, and nothing else (see the writers in native/region.h).
 */

import type { OurSwitch } from "../cgroup/kind.ts";
import { limitOf } from "./core.ts";
import { type GuardOrders, SAMPLING, type Source } from "./guard-orders.ts";
import { at, flag, limit, order, rank_by, role, size, source, want } from "./layout.ts";
import { type Logged, LogReader } from "./log-reader.ts";
import { runOf } from "./run-id.ts";
import { type WeighRule, weighingOf } from "./weighing.ts";
import { commandOf } from "./words.ts";

export type Role = keyof typeof role;
export const ROLES: readonly Role[] = ["HANDLER", "WATCHDOG", "SPARE", "DOOR"];

/** One step, as a role logged it. */
export interface LogRecord extends Logged {
  readonly role: Role;
}

/** What the responder has asked for, in one incident. */
export interface AskedHook {
  readonly ask: bigint;
  readonly incident: number;
}

export class Region {
  readonly #bytes: Uint8Array;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u64: BigUint64Array;
  readonly #logs: readonly { readonly of: Role; readonly log: LogReader }[];
  /** Which list of the region says so; guards with the same have one together. */
  readonly #weighings = new Map<string, number>();

  constructor(buffer: ArrayBuffer) {
    this.#bytes = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#u64 = new BigUint64Array(buffer);
    this.#logs = ROLES.map((of) => {
      return { of, log: new LogReader(buffer, at.region_logs + role[of] * size.log) };
    });
    if (this.#load(at.region_layout) !== limit.REGION_LAYOUT) {
      throw new Error("the FFI library has another layout than this program: run make clean all");
    }
  }

  // --- orders: written by the agent ---

  /** Of a free guard; written before want(ATTACHED), which publishes it. `tree`: the outermost guard above it. */
  setOrders(guard: number, orders: GuardOrders, tree: number): void {
    const base = this.#guard(guard);
    const path = Buffer.from(orders.path);
    const { sampling = SAMPLING } = orders;
    if (path.length >= limit.PATH_BYTES) throw new RangeError(`too long a path: ${orders.path}`);
    this.#bytes.fill(0, base + at.guard_path, base + at.guard_path + limit.PATH_BYTES);
    this.#bytes.set(path, base + at.guard_path);
    this.#u64[(base + at.guard_inode) / 8] = orders.inode;
    this.#u64[(base + at.guard_margin_bytes) / 8] = BigInt(orders.marginBytes);
    this.#u32[(base + at.guard_delay_ms) / 4] = orders.delayMs;
    this.#u32[(base + at.guard_sample_far_ms) / 4] = sampling.far;
    this.#u32[(base + at.guard_sample_near_ms) / 4] = sampling.near;
    this.#u32[(base + at.guard_tree) / 4] = tree;
    this.#u32[(base + at.guard_name_at) / 4] = path.length - Buffer.byteLength(orders.name);
    this.#u32[(base + at.guard_flags) / 4] =
      (orders.allowKill ? flag.ALLOW_KILL : 0) |
      (orders.allowLimits ? flag.ALLOW_LIMITS : 0) |
      (orders.allowMove ? flag.ALLOW_MOVE : 0) |
      (orders.allowHooks ? flag.ALLOW_HOOKS : 0) |
      (orders.when === "before" ? flag.BEFORE : 0) |
      (orders.owned ? flag.OWNED : 0);
    this.#setStanding(guard, orders);
    const used = Math.max(this.#load(at.region_guards_used), guard + 1);
    Atomics.store(this.#u32, at.region_guards_used / 4, used);
  }

  /** When an outer guard comes or goes. */
  setTree(guard: number, tree: number): void {
    Atomics.store(this.#u32, (this.#guard(guard) + at.guard_tree) / 4, tree);
  }

  setWant(guard: number, wanted: (typeof want)[keyof typeof want]): void {
    Atomics.store(this.#u32, (this.#guard(guard) + at.guard_want) / 4, wanted);
  }

  /** Where a group's OOM sleeps, as wchan shows it; one that does not fit is not kept. */
  setSleepsIn(symbol: string): void {
    const text = Buffer.from(`${symbol}\0`);
    if (text.length <= limit.SYMBOL_BYTES) this.#bytes.set(text, at.region_sleeps_in);
  }

  /** The most kills of all guards in an hour. */
  setHourCap(kills: number): void {
    this.#u32[at.region_hour_cap / 4] = kills;
  }

  /** Somebody looks on: an incident is told while it lasts, and not behind the victim's death. */
  setWatched(isWatched: boolean): void {
    Atomics.store(this.#u32, at.region_is_watched / 4, isWatched ? 1 : 0);
  }

  /** By what it is known which processes there are. */
  setSource(wanted: Source): void {
    this.#u32[at.region_sampling_source / 4] = source[wanted];
  }

  /** What this run's incidents are told by from others'. */
  get run(): string {
    return runOf(Atomics.load(this.#u64, at.region_run / 8));
  }

  setStop(): void {
    Atomics.store(this.#u32, at.region_stop / 4, 1);
  }

  /** The hook that is asked for in the open incident, and was neither begun nor refused. */
  askedHook(guard: number): AskedHook | undefined {
    const base = this.#standing(guard);
    if (base === undefined) return undefined;
    const ask = Atomics.load(this.#u64, (base + at.standing_asked) / 8);
    const word = this.#load(this.#guard(guard) + at.guard_incident);
    const isOpen = word % 2 === 1 && Number(ask >> 32n) === word;
    if (!isOpen || Number(ask & 0xffn) !== order.HOOK) return undefined;
    const judged = Atomics.load(this.#u64, (this.#guard(guard) + at.guard_judged) / 8);
    if (Number(judged >> 32n) === word) return undefined; // it is the kernel's
    const begun = this.#u64[(base + at.standing_hook_begun) / 8];
    if (begun === ask || this.#u64[(base + at.standing_hook_done) / 8] === ask) return undefined;
    return { ask, incident: (word + 1) / 2 };
  }

  /** Its program is at work. */
  beginHook(guard: number, { ask }: AskedHook): void {
    const base = this.#standing(guard);
    if (base !== undefined) Atomics.store(this.#u64, (base + at.standing_hook_begun) / 8, ask);
  }

  /** `result`: 0, -errno where it could not be started, its exit code, or limit.HOOK_SIGNAL + n. */
  endHook(guard: number, { ask }: AskedHook, result: number): void {
    const base = this.#standing(guard);
    if (base === undefined) return;
    Atomics.store(this.#i32, (base + at.standing_hook_result) / 4, result);
    Atomics.store(this.#u64, (base + at.standing_hook_done) / 8, ask);
  }

  // --- what the roles say ---

  /** 1: yes, below 0: -errno, else not yet. */
  attached(guard: number, of: Role): number {
    return Atomics.load(this.#i32, (this.#guard(guard) + at.guard_attached) / 4 + role[of]);
  }

  /** Who answers for the group now. */
  handler(guard: number): "own" | "designated" | "none" {
    if (this.#load(this.#guard(guard) + at.guard_designated_pid) !== 0) return "designated";
    return this.attached(guard, "HANDLER") === 1 ? "own" : "none";
  }

  state(guard: number): number {
    return this.#load(this.#guard(guard) + at.guard_state);
  }

  /** Nobody holds anything of a group in it any more: it can be ordered anew. */
  isFree(guard: number): boolean {
    return this.#load(this.#guard(guard) + at.guard_want) === want.NOTHING;
  }

  /** v2: what we have made of its memory.high. */
  ourSwitch(guard: number): OurSwitch {
    const base = this.#guard(guard) + at.guard_high;
    const [beforeBytes, bytes] = [this.#load64(base), this.#load64(base + 8)];
    return { bytes, beforeBytes: limitOf(beforeBytes) };
  }

  isIncidentOpen(guard: number): boolean {
    return this.#load(this.#guard(guard) + at.guard_incident) % 2 === 1;
  }

  /** Its limits are still raised. */
  isRaised(guard: number): boolean {
    const base = this.#standing(guard);
    return base !== undefined && this.#load64(base + at.standing_raised_added_bytes) > 0;
  }

  usage(guard: number): { usageBytes: number; limitBytes: number | null; procs: number } {
    const base = this.#guard(guard);
    return {
      usageBytes: this.#load64(base + at.guard_usage_bytes),
      limitBytes: limitOf(this.#load64(base + at.guard_limit_bytes)) ?? null,
      procs: this.#load(base + at.guard_procs),
    };
  }

  /** Of mlockall: 0 or -errno. */
  lockResult(of: Role): number {
    const base = at.region_helpers + role[of] * size.helper;
    return Atomics.load(this.#i32, (base + at.helper_lock_result) / 4);
  }

  /** Of the asking for real-time priority: 0 or -errno. */
  hurryResult(of: Role): number {
    const base = at.region_helpers + role[of] * size.helper;
    return Atomics.load(this.#i32, (base + at.helper_hurry_result) / 4);
  }

  /** Of the handler's opening of the process connector: 0 or -errno. */
  eventsResult(): number {
    const base = at.region_helpers + role.HANDLER * size.helper;
    return Atomics.load(this.#i32, (base + at.helper_events_result) / 4);
  }

  /** Of the asking for events of a group's pressure: 0 or -errno. */
  pressureResult(guard: number): number {
    return Atomics.load(this.#i32, (this.#guard(guard) + at.guard_pressure_result) / 4);
  }

  /** Steps dropped so far because the agent did not read them in time. */
  dropped(): number {
    return this.#logs.reduce((sum, { log }) => sum + log.dropped, 0);
  }

  /** A log fills: it is to be read now. */
  logsFill(): boolean {
    return this.#logs.some(({ log }) => log.fills);
  }

  /** Takes what is new in the logs, in the order it happened; `keep` has it before the roles may forget it. */
  drain(keep: (records: readonly LogRecord[]) => void = () => {}): LogRecord[] {
    const records = this.read();
    if (records.length > 0) keep(records);
    for (const { log } of this.#logs) log.taken();
    return records;
  }

  /** The same, and leaves it there. */
  read(): LogRecord[] {
    const records = this.#logs.flatMap(({ of, log }) =>
      log.read().map((one) => ({ ...one, role: of })),
    );
    return records.sort((a, b) => a.tNs - b.tNs);
  }

  // --- internal ---

  #setStanding(guard: number, { orders, caps, weigh }: GuardOrders): void {
    const base = this.#standing(guard);
    if (base === undefined) return;
    // What was owed to a group that was there before has gone with it.
    this.#bytes.fill(0, base, base + size.standing);
    this.#u32[(base + at.standing_incident_cap) / 4] = caps?.incident ?? 0;
    this.#u32[(base + at.standing_hour_cap) / 4] = caps?.hour ?? 0;
    this.#u32[(base + at.standing_weighing) / 4] = this.#weighing(weigh);
    orders.forEach((one, index) => {
      this.#bytes[base + at.standing_orders + index] = order[one.order];
      if (one.order === "RAISE") {
        this.#u64[(base + at.standing_raise_by_bytes) / 8] = BigInt(one.byBytes);
        this.#u64[(base + at.standing_raise_most_bytes) / 8] = BigInt(one.mostBytes);
      }
      if (one.order === "KILL" && one.by !== undefined) {
        this.#u32[(base + at.standing_rank_by) / 4] = rank_by[one.by];
      }
      if (one.order === "HOOK") {
        this.#bytes.set(Buffer.from(commandOf(one.argv)), base + at.standing_hook);
        this.#u32[(base + at.standing_hook_bound_ms) / 4] = one.boundMs ?? 0;
      }
      if (one.order === "TERMINATE") {
        this.#u32[(base + at.standing_grace_ms) / 4] = one.graceMs ?? 0;
      }
      if (one.order === "MOVE") this.#bytes.set(Buffer.from(one.to), base + at.standing_move_to);
    });
  }

  /** What the core calls such rules: 1 + which; 0: none. */
  #weighing(rules: readonly WeighRule[] | undefined): number {
    if (rules === undefined) return 0;
    const key = JSON.stringify(rules);
    const index = this.#weighings.get(key) ?? this.#weighings.size;
    if (index >= this.#load(at.region_weighings)) throw new RangeError("too many lists of rules");
    const base = this.#load64(at.region_weighings_offset) + index * size.weighing;
    if (!this.#weighings.has(key)) this.#bytes.set(weighingOf(rules), base);
    this.#weighings.set(key, index);
    return index + 1;
  }

  /** Undefined: all guards have the one order "kill", and no caps. */
  #standing(guard: number): number | undefined {
    const offset = this.#load64(at.region_standing_offset);
    return offset === 0 ? undefined : offset + guard * size.standing;
  }

  #guard(index: number): number {
    return at.region_guards + index * size.guard;
  }

  #load(offset: number): number {
    return Atomics.load(this.#u32, offset / 4);
  }

  #load64(offset: number): number {
    return Number(Atomics.load(this.#u64, offset / 8));
  }
}
