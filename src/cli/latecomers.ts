// SPDX-License-Identifier: MIT
/**
 * Groups that are found, or come back, while others are guarded: which of them are guarded too, and why the others are not.
 *
 * Of each it is looked at what it is now. One that cannot be guarded is looked at again when its limit is written.
 */

import { existsSync } from "node:fs";
import type { Follow } from "../agent/agent.ts";
import type { Claims } from "../agent/claims.ts";
import { allAbove, treeOf } from "../cgroup/group.ts";
import { kindOf, type OurSwitch } from "../cgroup/kind.ts";
import { CliError } from "../errors.ts";
import type { GuardOrders, Parts } from "../native/guard-orders.ts";
import { visible } from "../shown.ts";
import {
  claimGuard,
  type GuardSetup,
  LeftOut,
  type Locks,
  type Wanted,
  whyNoLimit,
} from "./guards.ts";
import { POWERS, poweredOf } from "./order.ts";
import type { OrderOptions } from "./orders.ts";

/** Who makes a group sets its limits a moment later: only then is it told that it cannot be guarded. */
const SETTLED_MS = 1000;
/** Where a glob may find them there is room for so many guards more than at the start: 6 KB of locked memory each. */
const ROOM = 1024;
/** Where all are named others come by a reload only. */
const NAMED_ROOM = 32;

/** What is wanted of groups that may come. Paths are directories. */
export interface Expected {
  /** Of the group that is there; undefined: nothing. */
  readonly wantedAt: (path: string) => Wanted | undefined;
  /** Whether something may be of a group below it. */
  readonly mayHold: (path: string) => boolean;
  /** Those that were named; undefined: a glob may always find another. */
  readonly named: readonly string[] | undefined;
  /** They were named by flags: it is those groups, whatever they are called by now. */
  readonly arePinned: boolean;
  /** What the region needs for those that may come; undefined: as for those at the start. */
  readonly parts: Parts | undefined;
  /** Of prefer and avoid, as the region tells them apart. */
  readonly lists: readonly string[];
}

interface LatecomersSetup extends GuardSetup {
  readonly expected: Expected;
  /** Those of the start. */
  readonly guards: readonly GuardOrders[];
  readonly locks: Locks;
  /** At the start. */
  readonly leftOut: LeftOut;
  readonly addToLedger: (index: number, path: string) => void;
  readonly removeFromLedger: (index: number) => void;
  /** Throws where there may be no handler for it. */
  readonly demandHandler: (wanted: Wanted) => void;
  readonly say: (text: string) => void;
}

/** Of groups that were named by flags. */
export function expectedAt(wanted: readonly Wanted[]): Expected {
  const byPath = new Map(wanted.map((one) => [one.path, one]));
  const named = [...byPath.keys()];
  const holders = new Set(named.flatMap(allAbove));
  return {
    wantedAt: (path) => byPath.get(path),
    mayHold: (path) => holders.has(path),
    named,
    arePinned: true,
    parts: undefined,
    lists: [],
  };
}

/** Each once. */
export function listsOf(all: readonly Pick<OrderOptions, "weigh">[]): string[] {
  const lists = all.flatMap(({ weigh = [] }) => (weigh.length > 0 ? [JSON.stringify(weigh)] : []));
  return [...new Set(lists)];
}

/** For so many more guards than at the start there is room. */
export function roomOf(expected: Expected | undefined): number {
  if (expected === undefined || expected.arePinned) return 0;
  return expected.named === undefined ? ROOM : NAMED_ROOM;
}

// --- internal ---

interface Complaint {
  readonly why: string;
  readonly foundBy: string | undefined;
  readonly isTold: boolean;
}

export class Latecomers implements Claims {
  readonly arePinned: boolean;
  readonly #setup: LatecomersSetup;
  #expected: Expected;
  /** Those that are guarded, and by what rules. */
  readonly #guarded = new Map<string, string>();
  /** By the paths of groups that are there and not guarded. */
  readonly #complaints = new Map<string, Complaint>();
  #soon: Timer | undefined;

  constructor(setup: LatecomersSetup) {
    this.#setup = setup;
    this.#expected = setup.expected;
    this.arePinned = setup.expected.arePinned && kindOf(setup.memory).canRename;
    for (const { path } of setup.guards) this.#guarded.set(path, this.#rulesAt(path));
    for (const { path, why } of setup.leftOut.all) {
      this.#complaints.set(path, { why, foundBy: undefined, isTold: true });
    }
  }

  /** What the agent is to follow. */
  get follow(): Follow {
    const reach = {
      mayBe: (path: string) => this.#expected.wantedAt(path) !== undefined,
      mayHold: (path: string) => this.#expected.mayHold(path),
    };
    const { expected } = this.#setup;
    return { claims: this, reach, room: roomOf(expected), parts: expected.parts };
  }

  /** From now on; of how many that are guarded the rules were others. */
  expect(expected: Expected): number {
    this.#expected = expected;
    this.#complaints.clear();
    return [...this.#guarded].filter(([path, rules]) => rules !== this.#rulesAt(path)).length;
  }

  claim(path: string, index: number): GuardOrders | undefined {
    const { locks, addToLedger, demandHandler } = this.#setup;
    const wanted = this.#expected.wantedAt(path);
    if (wanted === undefined) return undefined;
    try {
      demandHandler(wanted);
      const guard = claimGuard(this.#setup, locks, wanted, this.#inherited(path));
      addToLedger(index, path);
      this.#complaints.delete(path);
      this.#guarded.set(path, this.#rulesAt(path));
      return guard;
    } catch (error) {
      locks.giveUp(path);
      if (existsSync(path)) this.#note(path, wanted, error);
      return undefined;
    }
  }

  giveUp(path: string, index: number): void {
    this.#guarded.delete(path);
    this.#setup.locks.giveUp(path);
    this.#setup.removeFromLedger(index);
  }

  forget(path: string): void {
    this.#complaints.delete(path);
  }

  whyNotAnyMore(path: string, ours: OurSwitch): string | undefined {
    const wanted = this.#expected.wantedAt(path);
    if (wanted === undefined) return "no guard matches it any more";
    if (this.#guarded.get(path) !== this.#rulesAt(path)) return "its rules are others now";
    const noLimit = whyNoLimit(kindOf(this.#setup.memory), path, ours);
    // Of one that is gone the watchers tell.
    if (noLimit === undefined || !existsSync(path)) return undefined;
    const { foundBy } = wanted;
    this.#complaints.set(path, { why: noLimit.message, foundBy, isTold: true });
    return "it has no limit any more";
  }

  areAllGone(): boolean {
    return this.#expected.named?.every((path) => !existsSync(path)) ?? false;
  }

  // --- internal ---

  /** Where a process is to be moved to is looked at when it is ordered. */
  #rulesAt(path: string): string {
    const wanted = this.#expected.wantedAt(path);
    if (wanted === undefined) return "";
    const { decided: _, foundBy: __, orders: ordered, ...others } = wanted;
    const { granted, ...orders } = ordered;
    const needed =
      orders.order.length === 0 ? ["kill"] : poweredOf(orders.order).map(({ power }) => power);
    const powers = POWERS.filter((power) => granted.has(power) && needed.includes(power));
    return JSON.stringify({ ...others, orders, powers });
  }

  /** What is made while a group above it is held has inherited "killer off", and that is our doing. */
  #inherited(path: string): string[] {
    const { locks, memory } = this.#setup;
    for (const above of allAbove(path)) {
      if (locks.has(above) && kindOf(memory).isHeld(above)) return treeOf(path);
    }
    return [];
  }

  /** Each once, as long as it is so. */
  #note(path: string, { foundBy }: Wanted, error: unknown): void {
    if (!(error instanceof CliError)) throw error;
    if (this.#complaints.get(path)?.why === error.message) return;
    this.#complaints.set(path, { why: error.message, foundBy, isTold: false });
    this.#soon ??= setTimeout(() => this.#tell(), SETTLED_MS);
  }

  #tell(): void {
    this.#soon = undefined;
    const leftOut = new LeftOut();
    for (const [path, complaint] of this.#complaints) {
      const { why, foundBy, isTold } = complaint;
      if (isTold) continue;
      this.#complaints.set(path, { ...complaint, isTold: true });
      if (foundBy === undefined) this.#setup.say(visible(why));
      else leftOut.add(path, why, foundBy);
    }
    for (const line of leftOut.lines()) this.#setup.say(line);
  }
}
