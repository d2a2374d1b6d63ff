// SPDX-License-Identifier: MIT
/**
 * Hop 6: wires one region, its guards and the helpers, and has told what they log (telling.ts).
 *
 * Never in the path of an OOM: when this process is slow, stopped or dead, the helpers go on, or put back.
 * Wakes from one eventfd; a slow timer is the net below (a one-shot epoll event can be lost).
 */

import { treesOf } from "../cgroup/group.ts";
import { kindOfGroup } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import type { Message } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import { state, want } from "../native/layout.ts";
import {
  type GuardOrders,
  partsOf,
  Region,
  ROLES,
  type Role,
  type Source,
} from "../native/region.ts";
import { ATTACH_BOUND_MS, demandAttached, isAttached, lacksOf } from "./attaching.ts";
import { seeSleep } from "./calibrate.ts";
import { Comeback } from "./comeback.ts";
import { Crew } from "./crew.ts";
import { Hooks } from "./hooks.ts";
import { HOLD_NS } from "./incidents.ts";
import { KernelLog } from "./kernel-log.ts";
import { keepWhatIsOwed } from "./owed.ts";
import { type RunDir, runBases } from "./run-dir.ts";
import { Telling } from "./telling.ts";

const SAFETY_TICK_MS = 1000;
/** While starting only: the helpers wake us, this is for the one wake that came before we listened. */
const START_TICK_MS = 5;

export type GuardSpec = GuardOrders;

export interface AgentOptions {
  readonly core: Core;
  readonly image: CoreImage;
  readonly runDir: RunDir;
  readonly guards: readonly GuardSpec[];
  /** The most kills of all guards in an hour. */
  readonly hourCap?: number | undefined;
  readonly source?: Source | undefined;
  readonly handlerInside: boolean;
  /** The socket of the door, where handlers may be designated. */
  readonly listener?: number | undefined;
  readonly send: (message: Message) => void;
  /** The orders for a group that takes the place of one that was removed; throws while it cannot be guarded. */
  readonly renew: (index: number) => GuardSpec;
  /** One line to the person. */
  readonly say: (text: string) => void;
}

/** Puts back what dead agents left; the core's word, so its exit code is reprieve's. */
export async function releaseDead(image: CoreImage): Promise<number> {
  const release = [image.path, "release", ...runBases()];
  return await Bun.spawn(release, { env: {}, stdio: ["ignore", "ignore", "ignore"] }).exited;
}

export class Agent {
  /** Resolves when every guarded group was removed by somebody. */
  readonly allGone: Promise<void>;
  readonly #options: AgentOptions;
  /** Those that are started. */
  readonly #roles: readonly Role[];
  readonly #region: Region;
  readonly #crew: Crew;
  readonly #kernelLog: KernelLog;
  readonly #telling: Telling;
  readonly #comeback: Comeback;
  readonly #hooks: Hooks;
  readonly #trees: readonly number[];
  /** What the groups' switches said before they were armed. */
  readonly #switches: (string | undefined)[] = [];
  #armed = false;
  #safety: Timer | undefined;
  #hold: Timer | undefined;
  #woken = () => {};
  #resolveGone = () => {};

  /** Changes nothing yet. The ledger is written. */
  constructor(options: AgentOptions, ledger: number) {
    const { core, guards } = options;
    this.#options = options;
    this.#roles = ROLES.filter((role) => role !== "DOOR" || options.listener !== undefined);
    const isRanked = options.listener !== undefined;
    const parts = { ...partsOf(guards), isRanked };
    const memfd = core.createRegion(guards.length, process.pid, parts);
    this.#region = new Region(core.mapRegion(memfd));
    this.#region.setHourCap(options.hourCap ?? 0);
    this.#region.setSource(options.source ?? "SCAN");
    const names = guards.map((guard) => guard.name);
    this.#kernelLog = new KernelLog(core, names);
    this.#telling = new Telling(this.#region, names, this.#kernelLog, options.send);
    this.allGone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    const paths = guards.map((guard) => guard.path);
    const inside = options.handlerInside ? paths : undefined;
    const { listener } = options;
    this.#crew = new Crew({ ...options, roles: this.#roles, memfd, ledger, listener, inside });
    this.#comeback = new Comeback({
      region: this.#region,
      roles: this.#roles,
      paths,
      wakeHelpers: () => this.#crew.wake(),
      renew: (index) => this.#renew(index),
      say: options.say,
    });
    this.#hooks = new Hooks({
      ...options,
      region: this.#region,
      send: (drafts) => this.#telling.send(drafts),
    });
    this.#trees = treesOf(paths);
    guards.forEach((guard, index) => {
      this.#region.setOrders(index, guard, this.#trees[index] ?? index);
      this.#region.setWant(index, want.ATTACHED);
    });
  }

  /** Starts the helpers; they open what they need, and act for nobody yet: the locks may be another's. */
  async attach(): Promise<void> {
    const { guards } = this.#options;
    this.#crew.start();
    void this.#crew.listen(() => {
      this.#woken();
      if (this.#armed) this.#turn(false);
    });
    await this.#until(() =>
      guards.every((_, index) => isAttached(this.#region, this.#roles, index)),
    );
    guards.forEach(({ path }, index) => {
      demandAttached(this.#region, this.#roles, index, path);
    });
  }

  /** Returns when every guard is watched, or throws why not. The groups' locks are held by the caller. */
  async arm(): Promise<void> {
    const { guards } = this.#options;
    guards.forEach(({ path }, index) => {
      this.#switches[index] = switchOf(path);
      this.#region.setWant(index, want.ARMED);
    });
    this.#crew.wake();
    await this.#until(() => guards.every((_, index) => this.#region.state(index) !== state.NONE));
    guards.forEach((guard, index) => {
      if (this.#region.state(index) === state.NONE) {
        throw new CliError(exit.internal, `cannot arm ${guard.path}: the watchdog does not answer`);
      }
      this.#telling.sendArmed(guard);
    });
    this.#armed = true;
    this.#safety = setInterval(() => this.#turn(true), SAFETY_TICK_MS);
    this.#turn(true);
  }

  /** The helper that lives in the guarded group, if it does: it is no left-over of CMD. */
  get pidInside(): number | undefined {
    return this.#options.handlerInside ? this.#crew.pid("HANDLER") : undefined;
  }

  /** Tells the watchers where a group's OOM sleeps on this kernel; they go by the name that most have until then. */
  async seeSleep(): Promise<void> {
    const { image, guards, say } = this.#options;
    const kind = kindOfGroup(guards[0]?.path ?? "");
    const home = this.#crew.groups.find((group) => kind.switchText(group) !== undefined);
    if (home === undefined) return;
    try {
      const symbol = await seeSleep(kind, image, kind.probeGroup(home));
      if (symbol !== undefined) this.#region.setSleepsIn(symbol);
    } catch (error) {
      say(`cannot see where an OOM sleeps here: ${(error as Error).message}`);
    }
  }

  /** Once armed: what the host did not allow the helpers. */
  get lacks(): string[] {
    const { lack } = this.#kernelLog;
    return [...lacksOf(this.#region), ...(lack === undefined ? [] : [lack])];
  }

  /**
   * Has everything put back and waits until the helpers are gone. `letGo` gives up ledger and locks: as soon as
   * all is put back, for another reprieve may wait for them; what helpers that had to be killed have left is
   * released then.
   */
  async stop(letGo: () => void): Promise<void> {
    clearInterval(this.#safety);
    clearTimeout(this.#hold);
    this.#comeback.stop();
    const ended = this.#hooks.stop();
    this.#region.setStop();
    this.#crew.wake();
    const stopped = this.#crew.stopped();
    await Promise.race([stopped, this.#until(() => this.#isPutBack())]);
    letGo();
    // A watcher that was stopped may have written the switch after all was put back, and then ended in order.
    const clean = (await stopped) && !this.#isSwitchLeft();
    this.#turn(false, Number.POSITIVE_INFINITY);
    this.#kernelLog.close();
    await ended;
    await this.#crew.hangUp();
    keepWhatIsOwed(this.#region, this.#options);
    const code = clean ? exit.ok : await releaseDead(this.#options.image);
    await this.#crew.removeGroups();
    // "In use" is what it says of another living reprieve.
    const isDone = code === exit.ok || code === exit.inUse;
    const result = isDone ? "ok" : `release ended with code ${code}`;
    if (!this.#armed) return;
    this.#telling.send(
      this.#options.guards.map(({ name }) => ({ type: "released", guard: name, result })),
    );
  }

  // --- internal ---

  /** Orders for the group that is there now; says what to tell when it is armed. */
  #renew(index: number): () => void {
    const guard = this.#options.renew(index);
    this.#switches[index] = switchOf(guard.path);
    this.#region.setOrders(index, guard, this.#trees[index] ?? index);
    return () => this.#telling.sendArmed(guard);
  }

  #isPutBack(): boolean {
    const done: readonly number[] = [state.NONE, state.GONE];
    return (
      this.#armed && this.#options.guards.every((_, i) => done.includes(this.#region.state(i)))
    );
  }

  /** Somebody has written a switch and not put it back: perhaps one of ours. */
  #isSwitchLeft(): boolean {
    return this.#switches.some((before, index) => {
      const now = switchOf(this.#options.guards[index]?.path ?? "");
      return now !== undefined && now !== before;
    });
  }

  /** Takes and sends what is new; `all`: the counters of every guard too, when they have changed. */
  #turn(all: boolean, nowNs = performance.now() * 1e6): void {
    const started = this.#hooks.turn();
    const isHeld = this.#telling.turn(all, nowNs);
    this.#telling.send(started);
    if (isHeld) {
      clearTimeout(this.#hold);
      this.#hold = setTimeout(() => this.#turn(false), HOLD_NS / 1e6);
    }
    this.#comeback.turn(all);
    if (this.#comeback.isAllGone) this.#resolveGone();
  }

  async #until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + ATTACH_BOUND_MS;
    while (!done() && performance.now() < deadline) {
      const wake = new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
      await Promise.race([wake, Bun.sleep(START_TICK_MS)]);
    }
  }
}

// --- internal ---

function switchOf(group: string): string | undefined {
  return kindOfGroup(group).switchText(group);
}
