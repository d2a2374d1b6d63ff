// SPDX-License-Identifier: MIT
/**
 * The places of the guards in the region, and the one life that each has, also for a group that comes back:
 *
 *   free -> arming -> armed -> leaving -> free
 *
 * At the start all are attached before any is armed (attach()). One that leaves does so between two incidents, with nothing owed
 * to its group, unless that is gone: the helpers put it back and close what they have of it, and say so by making it free.
 */

import { inodeOf } from "../cgroup/files.ts";
import { kindOfGroup } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { errnoName } from "../native/core.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import { state, want } from "../native/layout.ts";
import type { Region, Role } from "../native/region.ts";
import { visible } from "../shown.ts";
import { attachError, demandAttached, isAttached } from "./attaching.ts";
import type { Claims } from "./claims.ts";
import type { Hooks } from "./hooks.ts";
import { Places, type Slot } from "./places.ts";
import type { Telling } from "./telling.ts";

/** What failed for want of descriptors or memory is tried again. */
const AGAIN_MS = 1000;

interface SlotsSetup {
  readonly region: Region;
  /** How many guards the region has. */
  readonly most: number;
  readonly roles: readonly Role[];
  readonly telling: Telling;
  readonly hooks: Hooks;
  /** undefined: no group is looked for. */
  readonly claims: Claims | undefined;
  readonly wakeHelpers: () => void;
  readonly armed: (guard: GuardOrders) => void;
  readonly left: (guard: GuardOrders) => void;
  readonly say: (text: string) => void;
}

export class Slots {
  readonly #setup: SlotsSetup;
  readonly #places: Places;
  readonly #timers = new Set<Timer>();
  /** At the start: so many of the first are where they are waited for. */
  #come = 0;
  /** Paths for which there was no room. */
  readonly #waiting = new Set<string>();
  #isStopped = false;

  constructor(setup: SlotsSetup) {
    this.#setup = setup;
    this.#places = new Places(setup.region, setup.most);
  }

  /** Those that are guarded, or were and are not put back yet. */
  get all(): readonly Slot[] {
    return [...this.#places];
  }

  /** Nothing is guarded, and nothing will be. */
  get isOver(): boolean {
    for (const { stage } of this.#places) if (stage !== "leaving") return false;
    return this.#setup.claims?.areAllGone() ?? true;
  }

  // --- the start: all at once, and what fails ends it ---

  place(guards: readonly GuardOrders[]): void {
    for (const guard of guards) {
      const { index } = this.#put(guard);
      this.#setup.region.setWant(index, want.ATTACHED);
    }
  }

  areAttached(): boolean {
    const { region, roles } = this.#setup;
    return this.#haveCome((index) => isAttached(region, roles, index));
  }

  demandAttached(): void {
    const { region, roles } = this.#setup;
    for (const { index, guard } of this.all) demandAttached(region, roles, index, guard.path);
  }

  arm(): void {
    for (const slot of this.all) this.#wantArmed(slot);
  }

  areArmed(): boolean {
    return this.#haveCome((index) => this.#setup.region.state(index) !== state.NONE);
  }

  demandArmed(): void {
    for (const slot of this.all) {
      if (this.#setup.region.state(slot.index) === state.NONE) {
        const { path } = slot.guard;
        throw new CliError(exit.internal, `cannot arm ${path}: the watchdog does not answer`);
      }
      this.#tellArmed(slot);
    }
  }

  // --- from then on ---

  /** Something has changed at this path. */
  look(path: string): void {
    const { claims } = this.#setup;
    if (this.#isStopped || claims === undefined) return;
    const slot = this.#places.at(path);
    const inode = inodeOf(path);
    if (slot === undefined) {
      if (inode !== undefined) this.#take(path, inode, claims);
      else claims.forget(path);
    } else if (slot.stage !== "leaving") {
      this.#lookAgain(slot, inode, claims);
    }
  }

  /** The group at this path has another name now, by which the helpers find it (native/tree.h). */
  renamed(path: string): void {
    const slot = this.#places.at(path);
    if (slot !== undefined) slot.isElsewhere = true;
  }

  /** After each wake of the helpers'; `again`: one may have been lost. */
  turn(again: boolean): void {
    if (this.#isStopped) return;
    for (const slot of this.#places) this.#follow(slot, again);
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** All is as it was before, or gone. */
  arePutBack(): boolean {
    const done: readonly number[] = [state.NONE, state.GONE];
    return this.all.every(({ index }) => done.includes(this.#setup.region.state(index)));
  }

  /** Somebody has written a switch and not put it back: perhaps one of ours. */
  isSwitchLeft(): boolean {
    return this.all.some(({ guard, switchBefore }) => {
      const now = switchOf(guard.path);
      return now !== undefined && now !== switchBefore;
    });
  }

  // --- internal ---

  /** Asked again at each wake, of which there is one a guard: what was so is not looked at again. */
  #haveCome(isSo: (index: number) => boolean): boolean {
    while (this.#come < this.#places.used && isSo(this.#come)) this.#come += 1;
    const haveAll = this.#come === this.#places.used;
    if (haveAll) this.#come = 0;
    return haveAll;
  }

  #lookAgain(slot: Slot, inode: bigint | undefined, claims: Claims): void {
    const { path, name } = slot.guard;
    if (inode !== slot.guard.inode) {
      if (!claims.arePinned) this.#leave(slot);
      return;
    }
    const why = claims.whyNotAnyMore(path, this.#setup.region.ourSwitch(slot.index));
    if (why === undefined) return;
    this.#setup.say(`${visible(name)} is let go: ${why}`);
    this.#leave(slot);
  }

  #take(path: string, inode: bigint, claims: Claims): void {
    const before = this.#places.of(inode);
    const index = this.#places.nextFree();
    if (before !== undefined) this.#takeAgain(before, path);
    else if (index === undefined) this.#leaveOut(path);
    else this.#guard(path, index, claims);
  }

  /** A group that is guarded under the name that it had. */
  #takeAgain(slot: Slot, path: string): void {
    slot.next = path;
    slot.isElsewhere = true;
    if (slot.stage !== "leaving") this.#leave(slot);
  }

  #guard(path: string, index: number, claims: Claims): void {
    const guard = claims.claim(path, index);
    if (guard === undefined) return;
    this.#wantArmed(this.#put(guard));
    this.#setup.wakeHelpers();
  }

  #put(guard: GuardOrders): Slot {
    const slot = this.#places.put(guard);
    this.#setup.telling.begin(slot.index, guard);
    this.#setup.hooks.begin(slot.index, guard);
    return slot;
  }

  /** Till now the switch may have been another reprieve's. */
  #wantArmed(slot: Slot): void {
    slot.switchBefore = switchOf(slot.guard.path);
    this.#setup.region.setWant(slot.index, want.ARMED);
  }

  #leaveOut(path: string): void {
    this.#waiting.add(path);
    if (this.#waiting.size > 1) return;
    const { most, say } = this.#setup;
    say(
      `cannot guard ${visible(path)}, nor what comes after it, until another group goes: all ${most} guards that there ` +
        "is room for are in use. A reprieve that is started anew makes room for what is there then",
    );
  }

  #follow(slot: Slot, again: boolean): void {
    const { region, wakeHelpers } = this.#setup;
    if (slot.stage === "arming") this.#followArming(slot);
    else if (slot.stage === "armed") {
      if (region.state(slot.index) === state.GONE) this.#leave(slot);
    } else if (!slot.isLetGo) this.#letGo(slot);
    else if (region.isFree(slot.index)) this.#makeFree(slot);
    else if (again) wakeHelpers();
  }

  #followArming(slot: Slot): void {
    const { region, roles } = this.#setup;
    const attached = roles.map((role) => region.attached(slot.index, role));
    const isArmed = region.state(slot.index) !== state.NONE;
    if (isArmed && attached.every((result) => result === 1)) this.#tellArmed(slot);
    const failed = roles.find((_, i) => (attached[i] ?? 0) < 0);
    if (failed === undefined) return;
    if (inodeOf(slot.guard.path) === slot.guard.inode) {
      const errno = errnoName(region.attached(slot.index, failed));
      this.#setup.say(attachError(slot.guard.path, failed.toLowerCase(), errno).message);
      slot.hasFailed = true;
    }
    this.#leave(slot);
  }

  #tellArmed(slot: Slot): void {
    slot.stage = "armed";
    this.#setup.telling.sendArmed(slot.guard);
    this.#setup.armed(slot.guard);
  }

  #leave(slot: Slot): void {
    slot.stage = "leaving";
    this.#letGo(slot);
  }

  /** What has begun is brought to its end, and what was raised given back, while the group is there. */
  #letGo(slot: Slot): void {
    const { region, wakeHelpers } = this.#setup;
    const { index, guard } = slot;
    const isThere = slot.isElsewhere || inodeOf(guard.path) === guard.inode;
    const isGone = region.state(index) === state.GONE || !isThere;
    if (!isGone && (region.isIncidentOpen(index) || region.isRaised(index))) return;
    slot.isLetGo = true;
    region.setWant(index, want.GIVEN_UP);
    wakeHelpers();
  }

  /** Another group may be there by now, or this one again under other rules. */
  #makeFree(slot: Slot): void {
    const { telling, hooks, claims, left } = this.#setup;
    const { index, guard, hasFailed, isElsewhere, next } = slot;
    this.#places.free(slot);
    if (isElsewhere || inodeOf(guard.path) === guard.inode) telling.sendReleased(guard.name, "ok");
    telling.end(index);
    hooks.end(index);
    claims?.giveUp(guard.path, index);
    left(guard);
    if (hasFailed) this.#lookLater(guard.path);
    else this.look(guard.path);
    if (next !== undefined) this.look(next);
    for (const path of this.#waiting) {
      if (this.#places.nextFree() === undefined) break;
      this.#waiting.delete(path);
      this.look(path);
    }
  }

  #lookLater(path: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.look(path);
    }, AGAIN_MS);
    this.#timers.add(timer);
  }
}

// --- internal ---

function switchOf(group: string): string | undefined {
  return kindOfGroup(group).switchText(group);
}
