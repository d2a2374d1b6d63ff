// SPDX-License-Identifier: MIT
/**
 * The websocket: keeps it open, goes on where it was, and says when the agent is gone.
 *
 * A browser tells a page nothing of pings, and a peer that is stopped or behind a dead network just says no more: so when
 * nothing comes for a while the agent is asked whether it lives.
 */

import { ApiError, ask } from "./api.ts";
import type { Connection, Sample, Store } from "./store.ts";
import type { GuardsAnswer, IncidentSummary, Message } from "./types.ts";

const SILENT_MS = 4000;
const PROBE_BOUND_MS = 4000;
const RETRY_LEAST_MS = 500;
const RETRY_MOST_MS = 5000;
/** A row a second is as fast as a table can be read; incidents are not held up by it. */
const GUARDS_MAX_HZ = 2;
const LAST_INCIDENTS = 200;

interface Hello {
  readonly type: "hello";
  readonly seq: number;
  readonly t: number;
  readonly run: string;
  readonly version: string;
  readonly resumed: boolean;
}

type FeedMessage =
  | (Message & { seq: number })
  | Hello
  | { type: "gap"; missed: number }
  | { type: "samples"; guard: string; frame: Sample };

export class Feed {
  readonly #store: Store;
  #socket: WebSocket | undefined;
  #run = "";
  #seq = 0;
  #heardAt = 0;
  #retryMs = RETRY_LEAST_MS;
  #samplesOf: string | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  start(): void {
    // The rows are drawn before the feed begins, which goes on from there.
    void this.#fill().then(() => this.#connect());
    setInterval(() => void this.#watch(), 1000);
  }

  /** Of one guard, or of none. */
  wantSamples(guard: string | undefined): void {
    if (this.#samplesOf !== undefined) this.#send("unsubscribe", `samples:${this.#samplesOf}`);
    this.#samplesOf = guard;
    this.#store.live =
      guard === undefined ? undefined : { guard, frames: [], processes: new Map() };
    if (guard !== undefined) this.#send("subscribe", `samples:${guard}`);
  }

  // --- internal ---

  #connect(): void {
    const { protocol, host } = location;
    const since = this.#run === "" ? "" : `?since=${this.#seq}&run=${this.#run}`;
    const socket = new WebSocket(`${protocol.replace("http", "ws")}//${host}/feed${since}`);
    this.#socket = socket;
    this.#heardAt = performance.now();
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#hear(JSON.parse(String(event.data)) as FeedMessage);
    };
    socket.onclose = () => {
      if (socket === this.#socket) void this.#lose();
    };
  }

  #hear(message: FeedMessage): void {
    this.#heardAt = performance.now();
    switch (message.type) {
      case "hello":
        this.#greeted(message);
        break;
      case "gap":
        void this.#fill();
        break;
      case "samples":
        this.#store.sample(message.guard, message.frame);
        break;
      default:
        // The present state comes first, with the numbers that it had.
        this.#seq = Math.max(this.#seq, message.seq);
        this.#store.accept(message);
    }
  }

  #greeted({ run, version, resumed, seq, t }: Hello): void {
    this.#run = run;
    if (!resumed) this.#seq = seq;
    this.#retryMs = RETRY_LEAST_MS;
    this.#store.version = version;
    this.#store.aheadMs = t - Date.now();
    this.#store.setConnection({ state: "live", since: Date.now() });
    this.#send("subscribe", "guards", GUARDS_MAX_HZ);
    if (this.#samplesOf !== undefined) this.#send("subscribe", `samples:${this.#samplesOf}`);
    if (!resumed) void this.#fill();
  }

  /** The present state, where the messages since the last one are not all there. At first index.html has asked for it already. */
  async #fill(): Promise<void> {
    const socket = this.#socket;
    const before = new Map(this.#store.rows);
    try {
      const answer = await ask<GuardsAnswer>("/api/guards");
      this.#store.fill(answer, before);
      // The feed need not tell all of it again.
      if (this.#run === "") [this.#run, this.#seq] = [answer.run ?? "", answer.seq ?? 0];
      const last = `/api/incidents?limit=${LAST_INCIDENTS}`;
      const { incidents } = await ask<{ incidents: IncidentSummary[] }>(last);
      this.#store.fillLast(incidents);
      this.#store.incidentsChanged += 1;
    } catch {
      // At first there was no socket yet, and with a later one it may go on as if it had all.
      const isOurs = () => socket === undefined || socket === this.#socket;
      setTimeout(() => isOurs() && void this.#fill(), RETRY_MOST_MS);
    }
  }

  /** A socket says nothing of why it was refused, or has ended. */
  async #lose(state: Connection["state"] = "lost", since = Date.now()): Promise<void> {
    this.#socket = undefined;
    const before = this.#store.connection.state;
    if (before === "live" || before === "connecting") this.#store.setConnection({ state, since });
    try {
      await ask("/api/incidents?limit=1", PROBE_BOUND_MS);
    } catch (error) {
      this.#store.setConnection({ state: stateOf(error), since });
    }
    setTimeout(() => this.#connect(), this.#retryMs * (0.5 + Math.random() / 2));
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MOST_MS);
  }

  async #watch(): Promise<void> {
    const socket = this.#socket;
    const silentMs = performance.now() - this.#heardAt;
    if (socket === undefined || silentMs < SILENT_MS) return;
    const since = Date.now() - silentMs;
    this.#heardAt = performance.now() + PROBE_BOUND_MS;
    try {
      await ask("/healthz", PROBE_BOUND_MS);
      this.#heardAt = performance.now();
    } catch (error) {
      if (socket !== this.#socket) return;
      this.#socket = undefined; // its end may take minutes to be told
      socket.close();
      await this.#lose(stateOf(error), since);
    }
  }

  #send(type: "subscribe" | "unsubscribe", topic: string, maxHz?: number): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const rate = maxHz === undefined ? {} : { max_hz: maxHz };
    this.#socket.send(JSON.stringify({ type, topics: [topic], ...rate }));
  }
}

// --- internal ---

function stateOf(error: unknown): Connection["state"] {
  const status = error instanceof ApiError ? error.status : undefined;
  return status === 401 ? "unknown" : status === "silent" ? "silent" : "lost";
}
