// SPDX-License-Identifier: MIT
/** What the processes of a guard hold, for who watches it: read on demand, at most 10 times a second, and only while somebody does. */

import type { Client } from "./client.ts";
import { PROTOCOL_VERSION, type Samples } from "./protocol.ts";

const TICK_MS = 100;

/** The newest frame; undefined: there is none, or no such guard. */
export type Sample = (guard: string) => Samples["frame"] | undefined;

interface Watcher {
  dueMs: number;
  /** Of the frame that it got last. */
  t: number;
}

export class Sampling {
  readonly #sample: Sample;
  readonly #watched = new Map<string, Map<Client, Watcher>>();
  #timer: Timer | undefined;

  constructor(sample: Sample) {
    this.#sample = sample;
  }

  /** False: so many guards are watched already. */
  add(client: Client, guard: string, most: number): boolean {
    const watchers = this.#watched.get(guard) ?? new Map<Client, Watcher>();
    if (watchers.size === 0 && this.#watched.size >= most) return false;
    this.#watched.set(guard, watchers);
    if (!watchers.has(client)) watchers.set(client, { dueMs: 0, t: 0 });
    client.samples.add(guard);
    this.#timer ??= setInterval(() => this.#turn(performance.now()), TICK_MS);
    return true;
  }

  remove(client: Client, guard: string): void {
    client.samples.delete(guard);
    const watchers = this.#watched.get(guard);
    watchers?.delete(client);
    if (watchers?.size === 0) this.#watched.delete(guard);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  forget(client: Client): void {
    for (const guard of [...client.samples]) this.remove(client, guard);
  }

  // --- internal ---

  #turn(nowMs: number): void {
    for (const [guard, watchers] of this.#watched) this.#tell(guard, watchers, nowMs);
  }

  #tell(guard: string, watchers: Map<Client, Watcher>, nowMs: number): void {
    const due = [...watchers].filter(([client, { dueMs }]) => client.isTaking && dueMs <= nowMs);
    const frame = due.length === 0 ? undefined : this.#sample(guard);
    if (frame === undefined) return;
    const message = { v: PROTOCOL_VERSION, t: Date.now(), type: "samples", guard, frame };
    const line = JSON.stringify(message);
    for (const [client, watcher] of due) {
      if (watcher.t === frame.t) continue;
      watcher.t = frame.t;
      // Half a tick early is on time: the next one would be half a tick late.
      watcher.dueMs = nowMs + client.periodMs - TICK_MS / 2;
      client.tell(line);
    }
  }
}
