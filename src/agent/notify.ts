// SPDX-License-Identifier: MIT
/** Tells systemd, where that has started us as a service, how we are: sd_notify(3). Nothing waits for it. */

import { type Core, NativeError } from "../native/core.ts";

/** Of what WatchdogSec= allows. */
const BEATS = 3;
/** Of a start with a thousand guards it hears once. */
const SETTLE_MS = 100;
/** Where too much waits to be read by it. */
const AGAIN_MS = 100;

export class Notify {
  readonly #core: Core;
  readonly #env: NodeJS.ProcessEnv;
  /** What it has not read yet: each after what was said before it. */
  readonly #waiting: string[] = [];
  #beat: Timer | undefined;
  #soon: Timer | undefined;
  /** As it was last told; undefined: it is not ready yet. */
  #status: string | undefined;

  constructor(core: Core, env: NodeJS.ProcessEnv = process.env) {
    this.#core = core;
    this.#env = env;
  }

  /** All that was asked for is guarded. `status` says what now holds. */
  ready(status: () => string): void {
    this.#tell("READY=1", this.#statusLine(status));
    this.beat();
  }

  /** From now on it is heard that we live; in a take-over at once: one that is stuck has not said so for a while. */
  beat(): void {
    const everyMs = Number(this.#env.WATCHDOG_USEC) / 1000 / BEATS;
    if (!(everyMs > 0) || this.#beat !== undefined) return;
    this.#tell("WATCHDOG=1");
    this.#beat = setInterval(() => this.#tell("WATCHDOG=1"), everyMs);
  }

  /** It has changed. */
  changed(status: () => string): void {
    if (this.#status === undefined) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      const before = this.#status;
      const line = this.#statusLine(status);
      if (this.#status !== before) this.#tell(line);
    }, SETTLE_MS);
  }

  /** Around a reading of the config file anew. */
  reloading(reload: () => void): void {
    this.#tell("RELOADING=1", `MONOTONIC_USEC=${this.#core.nowUs()}`);
    try {
      reload();
    } finally {
      this.#tell("READY=1");
    }
  }

  stopping(): void {
    clearInterval(this.#beat);
    clearTimeout(this.#soon);
    this.#tell("STOPPING=1");
  }

  // --- internal ---

  #statusLine(status: () => string): string {
    this.#status = status();
    return `STATUS=${this.#status}`;
  }

  #tell(...lines: string[]): void {
    const text = lines.join("\n");
    if (this.#waiting.at(-1) !== text) this.#waiting.push(text);
    if (this.#waiting.length === 1) this.#sendAll();
  }

  #sendAll(): void {
    const { NOTIFY_SOCKET: socket } = this.#env;
    for (; this.#waiting[0] !== undefined; this.#waiting.shift()) {
      if (socket && !this.#sends(socket, this.#waiting[0])) {
        setTimeout(() => this.#sendAll(), AGAIN_MS).unref();
        return;
      }
    }
  }

  /** False: it would have to wait. */
  #sends(socket: string, text: string): boolean {
    try {
      this.#core.sendDatagram(socket, Buffer.from(text));
      return true;
    } catch (error) {
      return !(error instanceof NativeError && error.errno === "EAGAIN");
    }
  }
}
