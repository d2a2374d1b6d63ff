// SPDX-License-Identifier: MIT
/** Where lines go: stderr for a person, stdout for programs. A reader that is slow or gone never stops the agent. */

import { write, writeSync } from "node:fs";
import type { Message } from "../feed/protocol.ts";

/** Waiting for a slow reader of --json; what comes beyond is dropped and counted. */
const BACKLOG_BYTES = 1 << 20;
/** A full reader, and a full group. */
const PASSING: ReadonlySet<string> = new Set(["EAGAIN", "ENOMEM", "ENOBUFS"]);
const RETRY_MS = 100;

/** One line to the person. */
export function say(text: string): void {
  try {
    writeSync(2, `reprieve: ${text}\n`);
  } catch {
    // Nobody reads.
  }
}

/**
 * Writes one JSON object a line to stdout. Through the thread pool: Bun's own writer waits for ever when
 * a full group refuses it an epoll entry (measured, Bun 1.4.5).
 */
export class JsonLines {
  #waiting: Buffer = Buffer.alloc(0);
  #dropped = 0;
  #flushing: Promise<void> | undefined;
  #closed = false;

  write(message: Message): void {
    if (this.#closed) return;
    if (this.#waiting.length > BACKLOG_BYTES) {
      this.#dropped++;
      return;
    }
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(`${JSON.stringify(message)}\n`)]);
    this.#flushing ??= this.#flush();
  }

  /** Waits for the reader, at most so long. */
  async end(boundMs: number): Promise<void> {
    await Promise.race([this.#flushing, Bun.sleep(boundMs)]);
    if (this.#dropped > 0) say(`${this.#dropped} JSON lines were dropped: the reader was too slow`);
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closed) {
      try {
        const { bytesWritten } = await writeToStdout(this.#waiting);
        this.#waiting = this.#waiting.subarray(bytesWritten);
      } catch (error) {
        // Any other is EPIPE or as final: the reader is gone, the guard goes on.
        this.#closed = !PASSING.has((error as NodeJS.ErrnoException).code ?? "");
        if (!this.#closed) await Bun.sleep(RETRY_MS);
      }
    }
    this.#flushing = undefined;
  }
}

// --- internal ---

function writeToStdout(bytes: Buffer): Promise<{ bytesWritten: number }> {
  return new Promise((resolve, reject) => {
    write(1, bytes, (error, bytesWritten) => (error ? reject(error) : resolve({ bytesWritten })));
  });
}
