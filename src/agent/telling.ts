// SPDX-License-Identifier: MIT
/** Hop 6b: what the helpers log, and where each guard stands, becomes messages. */

import { kindOfGroup } from "../cgroup/kind.ts";
import { type Pressure, pressureOf } from "../cgroup/pressure.ts";
import { briefOf } from "../cli/order.ts";
import {
  type Armed,
  type Hook,
  type Message,
  PROTOCOL_VERSION,
  type STATES,
  type System,
} from "../feed/protocol.ts";
import type { Core } from "../native/core.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import { state } from "../native/layout.ts";
import type { News } from "../native/news.ts";
import type { LogRecord, Region } from "../native/region.ts";
import { type Draft, Incidents, nameOf, type Run } from "./incidents.ts";
import type { KernelLog } from "./kernel-log.ts";

/** By its number: a state is asked for once a second of each guard, of which there may be a thousand. */
const STATE_NAMES = new Map(Object.values(state).map((one) => [one as number, nameOf(state, one)]));

/** In which a group may be that waits. */
const WAITING = new Set<number>([state.OOM, state.RELIEF, state.HANDED, state.ALARM]);

interface TellingSetup {
  readonly region: Region;
  readonly news: News;
  readonly core: Core;
  readonly kernelLog: KernelLog;
  readonly endedSince: NonNullable<Run["endedSince"]>;
  readonly send: (message: Message) => void;
  readonly keep?: Keep | undefined;
}

/** Has what is read of the region before the region may forget it (journal/spool.ts). */
export interface Keep {
  /** From now on the place is that guard's. */
  begin(place: number, armed: Armed): void;
  add(records: readonly LogRecord[]): void;
  /** The same of what the region does not say. */
  addTold(messages: readonly (System | Hook)[]): void;
}

export class Telling {
  readonly #region: Region;
  readonly #news: News;
  /** By their places in the region; undefined: it is free. */
  readonly #guards: (string | undefined)[] = [];
  /** Groups whose pressure the kernel tells. */
  readonly #pressed: (string | undefined)[] = [];
  /** As it was told last. */
  readonly #pressure: (Pressure | undefined)[] = [];
  readonly #kernelLog: KernelLog;
  readonly #send: (message: Message) => void;
  readonly #incidents: Incidents;
  readonly #keep: Keep | undefined;
  #dropped = 0;

  constructor({ region, news, core, kernelLog, endedSince, send, keep }: TellingSetup) {
    this.#region = region;
    this.#news = news;
    this.#kernelLog = kernelLog;
    this.#send = send;
    this.#keep = keep;
    const run = { run: region.run, wallMs: core.wallMs, endedSince };
    this.#incidents = new Incidents(this.#guards, run);
  }

  /** From now on the place is that guard's. */
  begin(index: number, guard: GuardOrders): void {
    this.#guards[index] = guard.name;
    this.#pressed[index] = kindOfGroup(guard.path).name === "v2" ? guard.path : undefined;
    this.#pressure[index] = undefined;
    this.#news.begin(index);
    this.#kernelLog.follow(guard.name);
    this.#keep?.begin(index, armedOf(guard));
  }

  /** All of it is told. */
  end(index: number): void {
    this.#kernelLog.forget(this.#guards[index] ?? "");
    this.#guards[index] = this.#pressed[index] = undefined;
  }

  /**
   * Takes and sends what is new; `all`: the counters of every guard too, when they have changed. Says whether
   * something waits for late steps.
   */
  turn(all: boolean, nowNs: number): boolean {
    const { drafts, events } = this.#incidents.accept(this.#drain(), nowNs);
    if (all || drafts.some(({ type }) => type === "incident.closed")) this.#kernelLog.read();
    this.send(drafts.map((draft) => this.#withVictims(draft)));
    for (const { guard, event, result } of events) {
      this.#news.take(guard, true);
      this.#sendGuard(guard, { event, result });
    }
    for (let index = 0; index < this.#guards.length; index += 1)
      if (this.#news.take(index, all) || (all && this.#isPressedAnew(index)))
        this.#sendGuard(index);
    this.#sendLost();
    return this.#incidents.waiting;
  }

  send(drafts: readonly Draft[]): void {
    const messages = drafts.map(stamped);
    const hooks = messages.filter(({ type }) => type === "hook") as Hook[];
    if (hooks.length > 0) this.#keep?.addTold(hooks);
    messages.forEach(this.#send);
  }

  sendArmed(guard: GuardOrders): void {
    this.#send(armedOf(guard));
  }

  sendReleased(guard: string, result: string): void {
    this.send([{ type: "released", guard, result }]);
  }

  #drain(): LogRecord[] {
    return this.#region.drain((records) => this.#keep?.add(records));
  }

  #withVictims(draft: Draft): Draft {
    if (draft.type !== "incident.closed") return draft;
    const killed = this.#kernelLog.take(draft.guard, draft.duration_us / 1000);
    if (killed.length === 0) return draft;
    const named = new Set(killed.map(({ pid }) => pid));
    const { ended: all = [], ...rest } = draft;
    const ended = all.filter(({ pid }) => !named.has(pid));
    return { ...rest, kernel_killed: killed, ...(ended.length > 0 && { ended }) };
  }

  #sendGuard(index: number, event?: { event: string; result: string }): void {
    const guard = this.#guards[index];
    if (guard === undefined) return;
    const { usageBytes, limitBytes, procs } = this.#region.usage(index);
    const pressed = this.#pressed[index];
    const pressure = pressed === undefined ? undefined : pressureOf(pressed);
    this.#pressure[index] = pressure;
    this.send([
      {
        type: "guard",
        guard,
        usage_bytes: usageBytes,
        limit_bytes: limitBytes,
        procs,
        state: STATE_NAMES.get(this.#region.state(index)) as (typeof STATES)[number],
        handler: this.#region.handler(index),
        ...(pressure && { pressure }),
        ...event,
      },
    ]);
  }

  /** Nothing else moves while a whole group waits, and later as the average falls. Of others no file is read for that. */
  #isPressedAnew(index: number): boolean {
    const [group, last] = [this.#pressed[index], this.#pressure[index]];
    const mayBe = WAITING.has(this.#region.state(index)) || (last?.some_avg10 ?? 0) > 0;
    if (group === undefined || !mayBe) return false;
    const now = pressureOf(group);
    return now?.some_avg10 !== last?.some_avg10 || now?.full_avg10 !== last?.full_avg10;
  }

  #sendLost(): void {
    const dropped = this.#region.dropped();
    if (dropped === this.#dropped) return;
    this.send([{ type: "lost", steps: dropped - this.#dropped }]);
    this.#dropped = dropped;
  }
}

// --- internal ---

/** With the time at which the agent saw it. */
export function stamped(draft: Draft): Message {
  return { v: PROTOCOL_VERSION, t: Date.now(), ...draft } as Message;
}

export function armedOf(guard: GuardOrders): Armed {
  return {
    v: PROTOCOL_VERSION,
    t: Date.now(),
    type: "armed",
    guard: guard.name,
    cgroup: guard.path,
    hierarchy: kindOfGroup(guard.path).name,
    delay_ms: guard.delayMs,
    margin_bytes: guard.marginBytes,
    when: guard.when ?? "at-oom",
    allow_kill: guard.allowKill,
    powers: [
      ...(guard.allowKill ? ["kill"] : []),
      ...(guard.allowLimits ? ["limits"] : []),
      ...(guard.allowMove ? ["move"] : []),
      ...(guard.allowHooks ? ["hooks"] : []),
    ],
    orders: guard.orders.map(briefOf),
  };
}
