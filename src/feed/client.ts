// SPDX-License-Identifier: MIT
/**
 * One client of the feed. It has no queue: it knows up to which message it was told, and the rest is in the ring that all share. One
 * that cannot keep up is told nothing until it has taken what it has got, and then the newest.
 */

import type { Entry, Present } from "./present.ts";
import { type Message, PROTOCOL_VERSION } from "./protocol.ts";
import type { Ring } from "./ring.ts";

/** What is used of a websocket of Bun's. */
export interface Wire {
  /** 0 or less: the kernel does not take it yet. */
  send(line: string): number;
  cork(send: () => void): unknown;
  /** Not yet taken by the kernel. */
  getBufferedAmount(): number;
  close(code: number, reason: string): void;
  /** Without a word. */
  terminate(): void;
}

/** Handed to the socket at once: what a client is behind is a look at the ring, so that more is of no use. */
const BATCH_BYTES = 16 << 10;
/** Waiting for one client, beside what holds now: references only. */
const WAITING_MOST = 4096;

export type Topic = "guards" | "incidents";

/** `lost` concerns both. */
const TOPICS: Readonly<Record<Message["type"], readonly Topic[]>> = {
  armed: ["guards"],
  guard: ["guards"],
  released: ["guards"],
  "incident.opened": ["incidents"],
  "incident.step": ["incidents"],
  "incident.closed": ["incidents"],
  hook: ["incidents"],
  system: ["incidents"],
  lost: ["guards", "incidents"],
  journal: ["incidents"],
};

export class Client {
  readonly wire: Wire;
  /** Guards whose samples it gets. */
  readonly samples = new Set<string>();
  readonly #ring: Ring;
  readonly #present: Present;
  readonly #topics = new Set<Topic>();
  /** What is told of these: asked for each message, of a thousand clients. */
  #types: ReadonlySet<Message["type"]> = new Set();
  /** Whose present state was not told yet. */
  readonly #untold = new Set<Topic>();
  /** To be told before what is new in the ring; of a guard the newest only. */
  #waiting: readonly Entry[] = [];
  #told = 0;
  /** Up to this message it has all, or was told of a gap. */
  #seq: number;
  #periodMs = 0;
  #dueMs = 0;
  #timer: Timer | undefined;
  /** Since when, and with how much, nothing more is taken; undefined: it is. */
  #stuck: { sinceMs: number; bytes: number } | undefined;
  #isBehind = false;

  constructor(wire: Wire, ring: Ring, present: Present, seq: number) {
    this.wire = wire;
    this.#ring = ring;
    this.#present = present;
    this.#seq = seq;
  }

  get topics(): string[] {
    return [...this.#topics, ...[...this.samples].map((guard) => `samples:${guard}`)];
  }

  /** `isKnown`: it has what holds already. */
  add(topic: Topic, isKnown = false): void {
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    this.#types = typesOf(this.#topics);
    if (!isKnown) this.#tellState(topic);
  }

  remove(topic: Topic): void {
    this.#topics.delete(topic);
    this.#types = typesOf(this.#topics);
  }

  limitTo(hz: number): void {
    this.#periodMs = 1000 / hz;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /** What is no message of the ring. */
  tell(line: string): void {
    if (this.wire.send(line) <= 0) this.#look();
  }

  get isTaking(): boolean {
    return this.#stuck === undefined;
  }

  /** Sends what is new, as far as it takes it. */
  advance(nowMs: number): void {
    if (!this.isTaking) return;
    // Of most clients, most of the time: there is one message more, and it wants it.
    if (this.#seq + 1 === this.#ring.newest && this.#isUpToDate) {
      this.#sendNew();
      return;
    }
    if (nowMs < this.#dueMs) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.advance(performance.now());
      }, this.#dueMs - nowMs);
      return;
    }
    if (this.#seq === this.#ring.newest && this.#told === this.#waiting.length) return;
    if (this.#periodMs > 0) this.#dueMs = nowMs + this.#periodMs;
    this.#catchUp();
  }

  /** The kernel has taken all. */
  drained(nowMs: number): void {
    this.#stuck = undefined;
    this.advance(nowMs);
  }

  /** For so long it has taken nothing. */
  stuckMs(nowMs: number): number {
    if (this.#stuck === undefined) return 0;
    const bytes = this.wire.getBufferedAmount();
    if (bytes < this.#stuck.bytes) this.#stuck = { sinceMs: nowMs, bytes };
    return nowMs - this.#stuck.sinceMs;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  // --- internal ---

  get #isUpToDate(): boolean {
    return this.#waiting.length === 0 && this.#periodMs === 0 && !this.#isBehind;
  }

  #tellState(topic: Topic): void {
    this.#untold.add(topic);
    this.#waiting = inOrder([...this.#untold].flatMap((one) => this.#present[one]));
    this.#told = 0;
  }

  #catchUp(): void {
    if (!this.#ring.holdsAfter(this.#seq)) this.#skip();
    else if (this.#isBehind || this.#periodMs > 0) this.#jump();
    this.#isBehind = false;
    while (this.isTaking && this.#told < this.#waiting.length) this.#sendWaiting();
    if (this.#told === this.#waiting.length) this.#endWaiting();
    while (this.isTaking && this.#seq < this.#ring.newest) this.#sendNew();
  }

  /** All that it has missed is gone: what holds now takes its place. */
  #skip(): void {
    this.#gap(this.#ring.newest - this.#seq);
    this.#seq = this.#ring.newest;
    for (const topic of this.#topics) this.#tellState(topic);
  }

  /** Of each guard only the newest. */
  #jump(): void {
    const { newest } = this.#ring;
    const seqs = Array.from({ length: newest - this.#seq }, (_, i) => this.#seq + 1 + i);
    const all = [
      ...this.#waiting.slice(this.#told),
      ...seqs.flatMap((seq) => this.#wanted(seq) ?? []),
    ];
    const last = new Map(all.map((entry) => [stateOf(entry) ?? entry, entry]));
    const missed = all.length - last.size;
    const holding = this.#present.guards.length + this.#present.incidents.length;
    if (last.size > holding + WAITING_MOST) {
      this.#skip();
      return;
    }
    if (missed > 0 && this.#periodMs === 0) this.#gap(missed);
    this.#waiting = inOrder([...last.values()]);
    this.#told = 0;
    this.#seq = newest;
  }

  #gap(missed: number): void {
    const gap = { v: PROTOCOL_VERSION, t: Date.now(), type: "gap", missed };
    this.wire.send(JSON.stringify(gap));
  }

  #sendWaiting(): void {
    this.#batch((room) => {
      for (let left = room; left > 0 && this.#told < this.#waiting.length; ) {
        const line = this.#waiting[this.#told++]?.line ?? "";
        this.wire.send(line);
        left -= line.length;
      }
    });
  }

  #endWaiting(): void {
    this.#waiting = [];
    this.#told = 0;
    this.#untold.clear();
  }

  #sendNew(): void {
    // Mostly there is one, and it goes without ado.
    if (this.#seq + 1 === this.#ring.newest) {
      const entry = this.#wanted(++this.#seq);
      if (entry !== undefined) this.tell(entry.line);
      return;
    }
    this.#batch((room) => {
      for (let left = room; left > 0 && this.#seq < this.#ring.newest; ) {
        const line = this.#wanted(++this.#seq)?.line ?? "";
        if (line !== "") this.wire.send(line);
        left -= line.length;
      }
    });
  }

  #batch(send: (room: number) => void): void {
    this.wire.cork(() => send(BATCH_BYTES));
    this.#look();
  }

  #look(): void {
    const bytes = this.wire.getBufferedAmount();
    if (bytes === 0) return;
    this.#stuck = { sinceMs: performance.now(), bytes };
    this.#isBehind = true;
  }

  #wanted(seq: number): Entry | undefined {
    const entry = this.#ring.get(seq);
    return entry !== undefined && this.#types.has(entry.message.type) ? entry : undefined;
  }
}

// --- internal ---

function typesOf(topics: ReadonlySet<Topic>): Set<Message["type"]> {
  const types = Object.keys(TOPICS) as Message["type"][];
  return new Set(types.filter((type) => TOPICS[type].some((topic) => topics.has(topic))));
}

/** One that is cut off has all up to the last that it got, and goes on from there. */
function inOrder(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => a.seq - b.seq);
}

/** Of what a later message takes the place; an event is one, whatever comes later. */
function stateOf({ message }: Entry): string | undefined {
  return message.type === "guard" && message.event === undefined ? message.guard : undefined;
}
