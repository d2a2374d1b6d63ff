// SPDX-License-Identifier: MIT
/** Where lines go: stderr for a person, stdout for programs. A reader that is slow or gone never stops the agent. */

import { writeSync } from "node:fs";
import type { Message } from "../feed/protocol.ts";

/** Waiting for a slow reader of --json; what comes beyond is dropped and counted. */
const BACKLOG_BYTES = 1 << 20;

/** One line to the person. */
export function say(text: string): void {
  try {
    writeSync(2, `reprieve: ${text}\n`);
  } catch {
    // Nobody reads.
  }
}

/** Writes one JSON object a line to stdout. */
export class JsonLines {
  readonly #sink = Bun.stdout.writer();
  #waiting = "";
  #dropped = 0;
  #flushing: Promise<void> | undefined;
  #closed = false;

  write(message: Message): void {
    if (this.#closed) return;
    if (this.#waiting.length > BACKLOG_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting += `${JSON.stringify(message)}\n`;
    this.#flushing ??= this.#flush();
  }

  /** Waits for the reader, at most so long. */
  async end(boundMs: number): Promise<void> {
    await Promise.race([this.#flushing, Bun.sleep(boundMs)]);
    if (this.#dropped > 0) say(`${this.#dropped} JSON lines were dropped: the reader was too slow`);
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting !== "") {
        this.#sink.write(this.#waiting);
        this.#waiting = "";
        await this.#sink.flush();
      }
    } catch {
      this.#closed = true; // EPIPE: the reader is gone, the guard goes on
    }
    this.#flushing = undefined;
  }
}
