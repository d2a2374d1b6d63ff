// SPDX-License-Identifier: MIT
/** A client of the feed: goes on where it was when the connection breaks off, and says since when nobody answers. */

import * as v from "valibot";
import { CliError } from "../errors.ts";
import { FeedMessage, type Hello, type Message, type Samples } from "../feed/protocol.ts";
import { type ApiOptions, askApi, unixPathOf } from "./api.ts";

/** For so long a quiet agent is not asked whether it lives: a peer that is stopped, or behind a dead network, just says no more. */
const SILENT_MS = 4000;
const WATCH_MS = 1000;
const PROBE_BOUND_MS = 4000;
const RETRY_LEAST_MS = 250;
const RETRY_MOST_MS = 2000;

/** Who is told. */
export interface Ear {
  /** `resumed`: nothing was missed; else all that holds now follows. */
  greeted(hello: Hello): void;
  hear(message: Message, line: string): void;
  sampled(samples: Samples): void;
  /** Wall clock, ms. */
  gone(since: number, why: string): void;
  /** It answers, or does so again. */
  back(): void;
}

export interface FeedOptions {
  /** Behind a restart the token may be another one. */
  readonly where: () => ApiOptions;
  readonly ear: Ear;
  readonly samplesOf?: string | undefined;
  /** Undefined: every message. */
  readonly maxHz?: number | undefined;
}

export class FeedClient {
  readonly #options: FeedOptions;
  readonly #watch: Timer;
  #socket: WebSocket | undefined;
  #retry: Timer | undefined;
  #retryMs = RETRY_LEAST_MS;
  #heardAt = Date.now();
  #goneSince: number | undefined = Date.now();
  #isAsking = false;
  #run: string | undefined;
  #seq = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#watch = setInterval(() => void this.#askWhenSilent(), WATCH_MS);
    this.#connect();
  }

  /** For so long nobody has answered. */
  goneMs(): number {
    return this.#goneSince === undefined ? 0 : Date.now() - this.#goneSince;
  }

  stop(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  // --- internal ---

  #connect(): void {
    const { url, token, ca } = this.#options.where();
    const tls = ca === undefined ? {} : { tls: { ca } };
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const socket = new WebSocket(feedUrl(url, this.#run, this.#seq), { headers, ...tls });
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#hear(String(data));
    };
    socket.onclose = ({ reason }) => {
      if (socket === this.#socket) void this.#lose(reason);
    };
  }

  /** What is not known here is of a newer version. */
  #hear(line: string): void {
    this.#heardAt = Date.now();
    const { success, output: message } = v.safeParse(FeedMessage, JSON.parse(line));
    if (!success) return;
    const { ear } = this.#options;
    switch (message.type) {
      case "hello":
        this.#greeted(message);
        break;
      case "gap":
        this.#beginAnew();
        break;
      case "samples":
        ear.sampled(message);
        break;
      default:
        // What holds now comes first, with the numbers that it had.
        this.#seq = Math.max(this.#seq, message.seq);
        ear.hear(message, line);
    }
  }

  #greeted(hello: Hello): void {
    const { ear, samplesOf, maxHz } = this.#options;
    this.#run = hello.run;
    if (!hello.resumed) this.#seq = hello.seq;
    this.#retryMs = RETRY_LEAST_MS;
    this.#goneSince = undefined;
    ear.back();
    ear.greeted(hello);
    const topics = ["guards", ...(samplesOf === undefined ? [] : [`samples:${samplesOf}`])];
    const rate = maxHz === undefined ? {} : { max_hz: maxHz };
    this.#socket?.send(JSON.stringify({ type: "subscribe", topics, ...rate }));
  }

  /** Among what was missed may be that a guard has gone. */
  #beginAnew(): void {
    const socket = this.#socket;
    this.#run = undefined;
    this.#connect();
    socket?.close();
  }

  /** A socket says nothing of why it was refused. */
  async #lose(reason: string): Promise<void> {
    this.#socket = undefined;
    const heardAt = this.#heardAt;
    this.#goneSince ??= heardAt;
    const since = this.#goneSince;
    this.#options.ear.gone(since, reason || "the connection broke off");
    this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MOST_MS);
    const why = await this.#whySilent();
    if (why !== undefined && this.#heardAt === heardAt) this.#options.ear.gone(since, why);
  }

  async #askWhenSilent(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || this.#isAsking || Date.now() - this.#heardAt < SILENT_MS) return;
    this.#isAsking = true;
    const why = await this.#whySilent();
    this.#isAsking = false;
    if (socket !== this.#socket) return;
    if (why === undefined) {
      this.#heardAt = Date.now();
      return;
    }
    this.#socket = undefined; // its end may take minutes to be told
    socket.terminate();
    await this.#lose(why);
  }

  async #whySilent(): Promise<string | undefined> {
    try {
      const answer = askApi(this.#options.where(), "/api/incidents?limit=1", v.unknown());
      return await Promise.race([answer.then(() => undefined), noAnswer()]);
    } catch (error) {
      if (error instanceof CliError) return error.message;
      throw error;
    }
  }
}

// --- internal ---

async function noAnswer(): Promise<string> {
  await Bun.sleep(PROBE_BOUND_MS);
  return `it does not answer for ${PROBE_BOUND_MS / 1000} s`;
}

function feedUrl(url: string, run: string | undefined, seq: number): string {
  const since = run === undefined ? "" : `?since=${seq}&run=${run}`;
  const unix = unixPathOf(url);
  if (unix !== undefined) return `ws+unix://${unix}:/feed${since}`;
  return new URL(`/feed${since}`, url.replace(/^http/, "ws")).href;
}
