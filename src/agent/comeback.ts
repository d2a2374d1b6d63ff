// SPDX-License-Identifier: MIT
/**
 * A guarded group that was removed: its guard waits for the next group at that path, as systemd makes one at each
 * restart, and is armed again.
 *
 * gone -> the helpers let go of it -> waiting, until its orders can be renewed -> armed when the owning watcher answers.
 */

import { existsSync } from "node:fs";
import { state, want } from "../native/layout.ts";
import type { Region, Role } from "../native/region.ts";
import { PathWatch } from "./path-watch.ts";

/** Who makes a group sets its limits a moment later: only then is it told that it cannot be guarded. */
const SETTLED_MS = 1000;

export interface ComebackSetup {
  readonly region: Region;
  readonly roles: readonly Role[];
  readonly paths: readonly string[];
  readonly wakeHelpers: () => void;
  /** Writes the orders for the group that is there now; throws while it cannot be guarded. What it returns tells that it is. */
  readonly renew: (guard: number) => () => void;
  readonly say: (text: string) => void;
}

interface Away {
  stage: "leaving" | "waiting" | "arming";
  watch?: PathWatch;
  tellArmed?: () => void;
  complaint?: Timer;
  why?: string;
}

export class Comeback {
  readonly #setup: ComebackSetup;
  readonly #away = new Map<number, Away>();
  #isStopped = false;

  constructor(setup: ComebackSetup) {
    this.#setup = setup;
  }

  /** Every group is gone. */
  get isAllGone(): boolean {
    const isGone = ({ stage }: Away) => stage !== "arming";
    return [...this.#away.values()].filter(isGone).length === this.#setup.paths.length;
  }

  /** After each wake of the helpers'; `again`: one may have been lost, and so is an event of the path at times (cause unknown). */
  turn(again: boolean): void {
    const { region, paths, wakeHelpers } = this.#setup;
    if (this.#isStopped) return;
    for (const guard of paths.keys()) {
      const away = this.#away.get(guard);
      if (away === undefined) {
        if (region.state(guard) === state.GONE) this.#leave(guard);
      } else if (away.stage === "leaving") {
        if (region.isFree(guard)) this.#wait(guard, away);
        else if (again) wakeHelpers();
      } else if (away.stage === "arming") {
        this.#followArming(guard);
      } else if (again) {
        this.#try(guard, away);
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const { watch, complaint } of this.#away.values()) {
      watch?.close();
      clearTimeout(complaint);
    }
  }

  // --- internal ---

  #leave(guard: number): void {
    this.#away.set(guard, { stage: "leaving" });
    this.#want(guard, want.NOTHING);
  }

  #wait(guard: number, away: Away): void {
    away.stage = "waiting";
    away.watch = new PathWatch(this.#setup.paths[guard] ?? "", () => this.#try(guard, away));
  }

  #try(guard: number, away: Away): void {
    const { renew, paths } = this.#setup;
    if (away.stage !== "waiting" || !existsSync(paths[guard] ?? "")) return;
    try {
      away.tellArmed = renew(guard);
    } catch (error) {
      away.why = (error as Error).message;
      away.complaint ??= setTimeout(() => this.#complain(guard, away), SETTLED_MS);
      return;
    }
    away.stage = "arming";
    this.#want(guard, want.ARMED);
  }

  #complain(guard: number, away: Away): void {
    delete away.complaint;
    const isThere = existsSync(this.#setup.paths[guard] ?? "");
    if (isThere && away.stage === "waiting") this.#setup.say(`a group is back: ${away.why}`);
  }

  /** Armed, or removed again before all had attached. */
  #followArming(guard: number): void {
    const { region, roles } = this.#setup;
    const attached = roles.map((role) => region.attached(guard, role));
    const isArmed = region.state(guard) !== state.NONE && attached.every((result) => result === 1);
    const isLost = attached.some((result) => result < 0);
    if (!isArmed && !isLost) return;
    const { watch, complaint, tellArmed } = this.#away.get(guard) ?? {};
    watch?.close();
    clearTimeout(complaint);
    this.#away.delete(guard);
    if (isArmed) tellArmed?.();
    else this.#leave(guard);
  }

  #want(guard: number, wanted: (typeof want)[keyof typeof want]): void {
    this.#setup.region.setWant(guard, wanted);
    this.#setup.wakeHelpers();
  }
}
