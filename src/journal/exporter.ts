// SPDX-License-Identifier: MIT
/** Has incidents sent to one place, in their order, as often as it takes; what waits is bounded, and nobody waits for it. */

import type { Incident } from "./incident.ts";

/** What cannot be sent yet; beyond that the oldest go. */
const WAITING_MOST = 200;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
/** However much later somebody wants it. */
const LATER_MOST_MS = 600_000;

interface Waiting {
  readonly incident: Incident;
  readonly settled: () => void;
}

/** Throws where it could not be delivered. */
export type Send = (incident: Incident) => Promise<void> | void;

/** One that will not be taken, however often it is tried. */
export class Refused extends Error {}

/** Not before so long. */
export class Later extends Error {
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

export class Exporter {
  /** Its bit in what is owed (row.ts). */
  readonly owed: number;
  readonly #place: string;
  readonly #send: Send;
  readonly #say: (text: string) => void;
  readonly #end: () => Promise<void>;
  readonly #waiting: Waiting[] = [];
  #sending: Promise<void> | undefined;
  #retry: Timer | undefined;
  #retryMs = FIRST_RETRY_MS;
  #dropped = 0;
  /** Given up while it failed; of the first it was said. */
  #refused = 0;
  #isFailing = false;

  /** `place`: for a person; `end`: of what `send` uses, within a bound. */
  constructor(
    owed: number,
    place: string,
    send: Send,
    say: (text: string) => void,
    end = async () => {},
  ) {
    this.owed = owed;
    this.#place = place;
    this.#send = send;
    this.#say = say;
    this.#end = end;
  }

  /** `settled` is called when it has arrived, or will not be taken. */
  add(incident: Incident, settled: () => void): void {
    this.#waiting.push({ incident, settled });
    if (this.#waiting.length > WAITING_MOST) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#start();
  }

  /** What waits is tried once more, within a bound. */
  async stop(boundMs: number): Promise<void> {
    await Promise.race([this.#sendOnceMore(), Bun.sleep(boundMs)]);
    clearTimeout(this.#retry);
    await this.#end();
    this.#sayRefused();
    const lost = this.#waiting.length + this.#dropped;
    if (lost > 0)
      this.#say(`${lost} incidents were not exported to ${this.#place}: the next start does that`);
  }

  // --- internal ---

  async #sendOnceMore(): Promise<void> {
    await this.#sending;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#start();
    await this.#sending;
  }

  #start(): void {
    if (this.#retry !== undefined || this.#waiting.length === 0) return;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
      this.#start();
    });
  }

  async #sendAll(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        await this.#send(next.incident);
        next.settled();
        this.#succeeded();
      } catch (error) {
        this.#failed(error as Error);
        if (!(error instanceof Refused)) break;
        next.settled();
      }
      // It may be gone: the oldest of too many.
      if (this.#waiting[0] === next) this.#waiting.shift();
    }
  }

  #succeeded(): void {
    this.#sayRefused();
    if (this.#isFailing) this.#say(`exports to ${this.#place} go again`);
    this.#isFailing = false;
    this.#retryMs = FIRST_RETRY_MS;
  }

  #failed(error: Error): void {
    if (!this.#isFailing) this.#say(`cannot export to ${this.#place}: ${error.message}`);
    else if (error instanceof Refused) this.#refused += 1;
    this.#isFailing = true;
    if (error instanceof Refused) return;
    const laterMs = error instanceof Later ? Math.min(error.afterMs, LATER_MOST_MS) : 0;
    this.#retry = setTimeout(
      () => {
        this.#retry = undefined;
        this.#start();
      },
      Math.max(this.#retryMs, laterMs),
    );
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }

  #sayRefused(): void {
    if (this.#refused > 0)
      this.#say(
        `${this.#refused} more incidents were refused by ${this.#place}: they are given up`,
      );
    this.#refused = 0;
  }
}
