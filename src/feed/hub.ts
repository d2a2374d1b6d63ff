// SPDX-License-Identifier: MIT
/**
 * The clients of the feed: who gets what, and who is to go. Opens nothing (http/serve.ts), and holds nothing for a client but its place
 * in the ring.
 */

import { fullGC } from "bun:jsc";
import * as v from "valibot";
import { Client, type Topic, type Wire } from "./client.ts";
import type { Entry, Present } from "./present.ts";
import { ClientMessage, PROTOCOL_VERSION } from "./protocol.ts";
import { Ring } from "./ring.ts";
import type { Sampling } from "./samples.ts";

export interface HubLimits {
  readonly clients: number;
  /** Who has taken nothing for so long is dropped. */
  readonly stuckMs: number;
  /** What a client may say: so many at once, and so many a second. */
  readonly messages: number;
  /** Of all clients. */
  readonly sampledGuards: number;
}

export const LIMITS: HubLimits = {
  clients: 1024,
  stuckMs: 30_000,
  messages: 20,
  sampledGuards: 64,
};

/**
 * Messages, four rings of them. What the ring lets go has grown old in it, and the collector leaves what is old alone until it is
 * 20 MB. With a full look, 14 ms, each so many, the agent holds 75 MB at most at 20,000 messages a second, where it held 94.
 */
const COLLECT_EVERY = 16_384;

/** RFC 6455, 7.4.1. */
const closing = { goingAway: 1001, badMessage: 1008, tooBig: 1009, tryLater: 1013 } as const;

interface HubSetup {
  readonly version: string;
  readonly run: string;
  readonly present: Present;
  readonly sampling: Sampling;
  /** The first client has come, or the last one gone. */
  readonly watched: (isWatched: boolean) => void;
  readonly limits?: HubLimits;
}

/** `since`: the last message it has, of that run. */
export interface Resume {
  readonly since?: number | undefined;
  readonly run?: string | undefined;
}

export class Hub {
  readonly #setup: HubSetup;
  readonly #limits: HubLimits;
  readonly #ring = new Ring();
  readonly #clients = new Map<Client, Speech>();
  #isFlushing = false;
  #collectAt = COLLECT_EVERY;
  #sweep: Timer | undefined;
  #dropped = 0;

  constructor(setup: HubSetup) {
    this.#setup = setup;
    this.#limits = setup.limits ?? LIMITS;
  }

  get isFull(): boolean {
    return this.#clients.size >= this.#limits.clients;
  }

  get counts(): { readonly clients: number; readonly dropped: number } {
    return { clients: this.#clients.size, dropped: this.#dropped };
  }

  /** For all who want it; those of one turn go out together. */
  accept(entry: Entry): void {
    this.#ring.push(entry);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  open(wire: Wire, { since, run }: Resume): Client {
    const { newest } = this.#ring;
    const isOurs = run === this.#setup.run && since !== undefined && since <= newest;
    const from = isOurs ? since : newest;
    const client = new Client(wire, this.#ring, this.#setup.present, from);
    for (const topic of ["guards", "incidents"] as const) client.add(topic, isOurs);
    this.#clients.set(client, new Speech(this.#limits.messages));
    if (this.#clients.size === 1) this.#setup.watched(true);
    this.#sweep ??= setInterval(() => this.#dropStuck(), this.#limits.stuckMs / 4);
    client.tell(this.#hello(client, isOurs && this.#ring.holdsAfter(from)));
    client.advance(performance.now());
    return client;
  }

  /** What it says: a mistake ends it. */
  hear(client: Client, text: string | Uint8Array): void {
    const isTooMuch = this.#clients.get(client)?.isTooMuch(performance.now());
    const result = v.safeParse(ClientMessage, jsonOf(text));
    if (isTooMuch) client.wire.close(closing.badMessage, "too many messages");
    else if (!result.success) client.wire.close(closing.badMessage, reasonOf(result.issues));
    else this.#obey(client, result.output);
  }

  close(client: Client): void {
    this.#clients.delete(client);
    this.#setup.sampling.forget(client);
    client.end();
    if (this.#clients.size > 0) return;
    this.#setup.watched(false);
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  stop(): void {
    for (const client of this.#clients.keys()) {
      client.wire.close(closing.goingAway, "reprieve ends");
    }
  }

  // --- internal ---

  #flush(): void {
    this.#isFlushing = false;
    const nowMs = performance.now();
    for (const client of this.#clients.keys()) client.advance(nowMs);
    this.#collect();
  }

  /** All are told by then. */
  #collect(): void {
    if (this.#ring.newest < this.#collectAt) return;
    this.#collectAt = this.#ring.newest + COLLECT_EVERY;
    fullGC();
  }

  #obey(client: Client, message: ClientMessage): void {
    if (message.type === "subscribe") {
      if (message.max_hz !== undefined) client.limitTo(message.max_hz);
      for (const topic of message.topics) this.#subscribe(client, topic);
      client.advance(performance.now());
    } else {
      for (const topic of message.topics) this.#unsubscribe(client, topic);
    }
  }

  #subscribe(client: Client, topic: string): void {
    const guard = guardOf(topic);
    if (guard === undefined) client.add(topic as Topic);
    else if (!this.#setup.sampling.add(client, guard, this.#limits.sampledGuards)) {
      client.wire.close(closing.tryLater, "too many guards are sampled");
    }
  }

  #unsubscribe(client: Client, topic: string): void {
    const guard = guardOf(topic);
    if (guard === undefined) client.remove(topic as Topic);
    else this.#setup.sampling.remove(client, guard);
  }

  #dropStuck(): void {
    const nowMs = performance.now();
    for (const client of this.#clients.keys()) {
      if (client.stuckMs(nowMs) < this.#limits.stuckMs) continue;
      this.#dropped++;
      client.wire.terminate();
    }
  }

  #hello({ topics }: Client, resumed: boolean): string {
    const { version, run } = this.#setup;
    const seq = this.#ring.newest;
    const stamp = { v: PROTOCOL_VERSION, t: Date.now(), type: "hello" };
    return JSON.stringify({ ...stamp, version, run, seq, topics, resumed });
  }
}

/** How much a client has said: a bucket that fills again in a second. */
class Speech {
  readonly #most: number;
  #left: number;
  #atMs = 0;

  constructor(most: number) {
    this.#most = most;
    this.#left = most;
  }

  isTooMuch(nowMs: number): boolean {
    const more = ((nowMs - this.#atMs) / 1000) * this.#most;
    this.#left = Math.min(this.#most, this.#left + more) - 1;
    this.#atMs = nowMs;
    return this.#left < 0;
  }
}

// --- internal ---

const SAMPLES = "samples:";
/** RFC 6455, 5.5: a control frame has 125 bytes, the code takes 2 of them. */
const REASON_BYTES = 120;

function guardOf(topic: string): string | undefined {
  return topic.startsWith(SAMPLES) ? topic.slice(SAMPLES.length) : undefined;
}

function jsonOf(text: string | Uint8Array): unknown {
  try {
    return typeof text === "string" ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf([issue]: readonly v.BaseIssue<unknown>[]): string {
  const isOurs = issue?.kind === "validation";
  const key = issue === undefined ? undefined : v.getDotPath(issue)?.replace(/\.\d+$/, "");
  const why = isOurs ? issue.message : `it is no message of a client${key ? `: ${key}` : ""}`;
  return why.slice(0, REASON_BYTES).replace(/[^\x20-\x7e]/g, "?");
}
