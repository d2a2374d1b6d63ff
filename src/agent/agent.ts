// SPDX-License-Identifier: MIT
/**
 * Hop 6: wires one region, its guards and the helpers, and has told what they log (telling.ts).
 *
 * Never in the path of an OOM: when this process is slow, stopped or dead, the helpers go on, or put back.
 * Wakes from one eventfd; a slow timer is the net below (a one-shot epoll event can be lost).
 */

import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { exit } from "../errors.ts";
import type { Message, Samples } from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import { type GuardOrders, type Parts, partsOf, type Source } from "../native/guard-orders.ts";
import { News } from "../native/news.ts";
import { Region, ROLES, type Role } from "../native/region.ts";
import { ATTACH_BOUND_MS, lacksOf } from "./attaching.ts";
import { seeSleep } from "./calibrate.ts";
import type { Claims } from "./claims.ts";
import { politely } from "./courtesy.ts";
import { Crew } from "./crew.ts";
import { Discovery, type Reach } from "./discovery.ts";
import { endedOf } from "./ended.ts";
import { History, type Recorded } from "./history.ts";
import { Hooks } from "./hooks.ts";
import { HOLD_NS } from "./incidents.ts";
import { createRegion } from "./kept.ts";
import { KernelLog } from "./kernel-log.ts";
import { Newest } from "./newest.ts";
import { keepWhatIsOwed } from "./owed.ts";
import { type RunDir, runBases } from "./run-dir.ts";
import { Slots } from "./slots.ts";
import { type Keep, Telling } from "./telling.ts";
import { VitalSigns, type Vitals } from "./vitals.ts";

const SAFETY_TICK_MS = 1000;
/** While starting only: the helpers wake us, this is for the one wake that came before we listened. */
const START_TICK_MS = 5;

export interface AgentOptions {
  readonly core: Core;
  readonly image: CoreImage;
  readonly runDir: RunDir;
  readonly run: string;
  readonly memory: Hierarchy;
  /** Those that are there at the start. */
  readonly guards: readonly GuardOrders[];
  /** What may be guarded from then on; undefined: nothing else. */
  readonly follow?: Follow | undefined;
  /** The most kills of all guards in an hour. */
  readonly hourCap?: number | undefined;
  readonly source?: Source | undefined;
  readonly handlerInside: boolean;
  /** Where its incidents are kept for a journal until that has them; undefined: nowhere. */
  readonly keepIn?: string | undefined;
  /** The same, of what was read of the region. */
  readonly keep?: Keep | undefined;
  /** The socket of the door, where handlers may be designated. */
  readonly listener?: number | undefined;
  readonly send: (message: Message) => void;
  /** A guard is armed, or is no more. */
  readonly armed?: (guard: GuardOrders) => void;
  readonly left?: (guard: GuardOrders) => void;
  /** One line to the person. */
  readonly say: (text: string) => void;
}

/** Groups that are found while it runs. */
export interface Follow {
  readonly claims: Claims;
  readonly reach: Reach;
  /** For so many more guards than there are at the start there is room. */
  readonly room: number;
  /** What the region needs for them; undefined: as for those at the start. */
  readonly parts: Parts | undefined;
}

/** Puts back what dead agents left; the core's word, so its exit code is reprieve's. */
async function releaseDead(image: CoreImage): Promise<number> {
  const release = [image.path, "release", ...runBases()];
  return await Bun.spawn(release, { env: {}, stdio: ["ignore", "ignore", "ignore"] }).exited;
}

export class Agent {
  /** Resolves when every group that was named was removed by somebody. */
  readonly allGone: Promise<void>;
  readonly #options: AgentOptions;
  /** Those that are started. */
  readonly #roles: readonly Role[];
  readonly #region: Region;
  readonly #history: History;
  readonly #newest = new Newest((guard) => this.history(guard, 0));
  readonly #vitals: VitalSigns;
  readonly #crew: Crew;
  readonly #kernelLog: KernelLog;
  readonly #telling: Telling;
  readonly #hooks: Hooks;
  readonly #slots: Slots;
  readonly #discovery: Discovery | undefined;
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
    const most = guards.length + (options.follow?.room ?? 0);
    const parts = { ...(options.follow?.parts ?? partsOf(guards)), isRanked, isRecorded: true };
    const regionFd = createRegion(options, most, parts);
    const buffer = core.mapRegion(regionFd);
    this.#region = new Region(buffer);
    this.#history = new History(core, buffer);
    this.#vitals = new VitalSigns(buffer);
    this.#region.setHourCap(options.hourCap ?? 0);
    this.#region.setSource(options.source ?? "SCAN");
    this.#kernelLog = new KernelLog(core);
    const kernelLog = this.#kernelLog;
    const news = new News(buffer);
    const endedSince = (place: number, tNs: number) => endedOf(this.frames(place, 0, tNs));
    this.#telling = new Telling({ ...options, region: this.#region, news, kernelLog, endedSince });
    this.allGone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    const inside = options.handlerInside ? guards.map(({ path }) => path) : undefined;
    const { listener, say, armed = () => {}, left = () => {} } = options;
    this.#crew = new Crew({ ...options, roles: this.#roles, regionFd, ledger, listener, inside });
    this.#hooks = new Hooks({
      ...options,
      region: this.#region,
      send: (drafts) => this.#telling.send(drafts),
    });
    this.#slots = new Slots({
      region: this.#region,
      most,
      roles: this.#roles,
      telling: this.#telling,
      claims: options.follow?.claims,
      wakeHelpers: () => this.#crew.wake(),
      hooks: this.#hooks,
      armed,
      left,
      say,
    });
    this.#slots.place(guards);
    this.#discovery = this.#makeDiscovery();
  }

  /** Starts the helpers; they open what they need, and act for nobody yet: the locks may be another's. */
  async attach(): Promise<void> {
    this.#crew.start();
    void this.#crew.listen(() => {
      this.#woken();
      if (this.#armed) this.#turn(false);
    });
    await this.#until(() => this.#slots.areAttached());
    this.#slots.demandAttached();
  }

  /** Returns when every guard is watched, or throws why not. The groups' locks are held by the caller. */
  async arm(): Promise<void> {
    this.#slots.arm();
    this.#crew.wake();
    await this.#until(() => this.#slots.areArmed());
    this.#slots.demandArmed();
    this.#armed = true;
    this.#safety = setInterval(() => this.#turn(true), SAFETY_TICK_MS);
    this.#turn(true);
    this.#discovery?.start();
  }

  /** The rules are others: all groups are looked at. */
  lookAgain(hourCap: number): void {
    this.#region.setHourCap(hourCap);
    this.#discovery?.findAnew();
    for (const { path } of this.guards) this.#slots.look(path);
  }

  /** Those that are guarded now. */
  get guards(): GuardOrders[] {
    return this.#slots.all.map(({ guard }) => guard);
  }

  /** Why nobody is guarded, if that is so. */
  whyNotReady(): string | undefined {
    const dead = this.#roles.filter((role) => this.#crew.pid(role) === undefined);
    if (dead.length > 0) return `not at work: ${dead.join(", ").toLowerCase()}`;
    return this.#armed ? undefined : "the guards are not armed";
  }

  /** What the processes of a guard held lately. */
  history(guard: string, sinceMs: number): Recorded {
    const slot = this.#slots.all.find((one) => one.guard.name === guard);
    return slot ? this.#history.lately(slot.index, sinceMs) : { frames: [], processes: {} };
  }

  /** The same of its place, from a moment of the logs on. */
  frames(place: number, sinceMs: number, atNs: number): Recorded {
    return this.#history.frames(place, sinceMs, atNs);
  }

  /** What they hold now. */
  sample(guard: string): Samples["frame"] | undefined {
    return this.#newest.of(guard, Date.now());
  }

  watched(isWatched: boolean): void {
    this.#region.setWatched(isWatched);
  }

  vitals(): Vitals {
    const pidOf = (role: Role) => this.#crew.pid(role);
    return this.#vitals.read(this.#roles, pidOf, performance.now());
  }

  /** The helper that lives in the guarded group, if it does: it is no left-over of CMD. */
  get pidInside(): number | undefined {
    return this.#options.handlerInside ? this.#crew.pid("HANDLER") : undefined;
  }

  /** Tells the watchers where a group's OOM sleeps on this kernel; they go by the name that most have until then. */
  async seeSleep(): Promise<void> {
    const { image, memory, say } = this.#options;
    const kind = kindOf(memory);
    const home = this.#crew.groups.find((group) => kind.switchText(group) !== undefined);
    if (home === undefined) return;
    try {
      const symbol = await seeSleep(kind, image, kind.probeGroup(home, memory));
      if (symbol !== undefined) this.#region.setSleepsIn(symbol);
    } catch (error) {
      say(`cannot see where an OOM sleeps here: ${(error as Error).message}`);
    }
  }

  /** Once armed: what the host did not allow the helpers. */
  get lacks(): string[] {
    const { lack } = this.#kernelLog;
    const names = this.#options.guards.map(({ name }) => name);
    return [...lacksOf(this.#region, names), ...(lack === undefined ? [] : [lack])];
  }

  /**
   * Has everything put back and waits until the helpers are gone. `letGo` gives up ledger and locks: as soon as
   * all is put back, for another reprieve may wait for them; what helpers that had to be killed have left is
   * released then.
   */
  async stop(letGo: () => void): Promise<void> {
    clearInterval(this.#safety);
    clearTimeout(this.#hold);
    const ended = this.#hooks.stop();
    this.#slots.stop();
    this.#region.setStop();
    this.#crew.wake();
    const stopped = this.#crew.stopped();
    await Promise.race([stopped, this.#until(() => this.#armed && this.#slots.arePutBack())]);
    letGo();
    // A watcher that was stopped may have written the switch after all was put back, and then ended in order.
    const clean = (await stopped) && !this.#slots.isSwitchLeft();
    this.#turn(false, Number.POSITIVE_INFINITY);
    this.#kernelLog.close();
    await ended;
    await this.#crew.hangUp();
    await this.#discovery?.close();
    const guards = this.#slots.all;
    keepWhatIsOwed(this.#region, { ...this.#options, guards });
    const code = clean ? exit.ok : await releaseDead(this.#options.image);
    await this.#crew.removeGroups();
    // "In use" is what it says of another living reprieve.
    const isDone = code === exit.ok || code === exit.inUse;
    const result = isDone ? "ok" : `release ended with code ${code}`;
    if (!this.#armed) return;
    for (const { guard } of guards) this.#telling.sendReleased(guard.name, result);
  }

  // --- internal ---

  #makeDiscovery(): Discovery | undefined {
    const { core, memory, follow, say } = this.#options;
    if (follow === undefined) return undefined;
    return new Discovery({
      ...follow.reach,
      core,
      kind: kindOf(memory),
      root: memory.root,
      changed: (path) => this.#slots.look(path),
      renamed: (path) => this.#slots.renamed(path),
      say,
    });
  }

  /** Takes and sends what is new; `all`: the counters of every guard too, when they have changed. */
  #turn(all: boolean, nowNs = performance.now() * 1e6): void {
    const started = this.#hooks.turn();
    const tell = () => this.#telling.turn(all, nowNs);
    const isHeld = this.#region.logsFill() ? tell() : politely(tell);
    this.#telling.send(started);
    if (isHeld) {
      clearTimeout(this.#hold);
      this.#hold = setTimeout(() => this.#turn(false), HOLD_NS / 1e6);
    }
    if (all) this.#vitals.look(performance.now());
    this.#slots.turn(all);
    if (this.#slots.isOver) this.#resolveGone();
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
