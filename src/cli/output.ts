// SPDX-License-Identifier: MIT
/** Where lines go: stderr for a person, stdout for programs. A reader that is slow or gone never stops the agent. */

import { fstatSync, write } from "node:fs";
import { CliError, exit } from "../errors.ts";

/** Waiting for a slow reader; what comes beyond is dropped and counted. */
const BACKLOG_BYTES = 1 << 20;
/** A full reader, and a full group. */
const PASSING: ReadonlySet<string> = new Set(["EAGAIN", "ENOMEM", "ENOBUFS"]);
const RETRY_MS = 100;
/** What a reader gets to take what is left when we end. */
export const END_BOUND_MS = 1000;
/** The same, where nothing waits for us: a slow reader gets it all. */
const READER_BOUND_MS = 10_000;

/**
 * Writes lines to a stream. Through the thread pool: a write of ours would wait for the reader, and Bun's own writer
 * waits for ever when a full group refuses it an epoll entry (measured, Bun 1.4.5).
 */
export class Lines {
  readonly #fd: number;
  readonly #kind: string;
  #waiting: Buffer = Buffer.alloc(0);
  #dropped = 0;
  #flushing: Promise<void> | undefined;
  #closed = false;
  #isLeft = false;

  /** `kind` is what a person calls the lines. */
  constructor(fd: 1 | 2, kind: string) {
    this.#fd = fd;
    this.#kind = kind;
  }

  write(line: string): void {
    if (this.#waiting.length > BACKLOG_BYTES) this.#dropped++;
    else this.#add(line);
  }

  /** The reader has it all. */
  get isTaken(): boolean {
    return this.#waiting.length === 0;
  }

  /** The reader is gone for good. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** The reader has closed it. */
  get isLeft(): boolean {
    return this.#isLeft;
  }

  /** Waits for the reader, at most so long. False: it did not get everything. */
  async end(boundMs: number): Promise<boolean> {
    if (this.#dropped > 0) {
      toPerson.#add(
        `reprieve: ${this.#dropped} ${this.#kind} were dropped: the reader was too slow`,
      );
      this.#dropped = 0;
    }
    await Promise.race([this.#flushing, Bun.sleep(boundMs)]);
    return this.#waiting.length === 0 && !this.#closed;
  }

  #add(line: string): void {
    if (this.#closed) return;
    this.#waiting = Buffer.concat([this.#waiting, Buffer.from(`${line}\n`)]);
    this.#flushing ??= this.#flush();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closed) {
      try {
        const { bytesWritten } = await writeTo(this.#fd, this.#waiting);
        this.#waiting = this.#waiting.subarray(bytesWritten);
      } catch (error) {
        // Any other is EPIPE or as final: the reader is gone, the guard goes on.
        const { code = "" } = error as NodeJS.ErrnoException;
        this.#closed = !PASSING.has(code);
        this.#isLeft = code === "EPIPE";
        if (!this.#closed) await Bun.sleep(RETRY_MS);
      }
    }
    this.#flushing = undefined;
  }
}

const toPerson = new Lines(2, "lines");

/** What was asked for, on stdout; a reader that has had enough, like `head`, may leave. */
export async function print(lines: readonly string[]): Promise<void> {
  const out = new Lines(1, "lines");
  for (const line of lines) out.write(line);
  const isRead = await out.end(READER_BOUND_MS);
  if (!isRead && !out.isLeft) throw UNWRITTEN();
}

export const UNWRITTEN = () =>
  new CliError(exit.host, "cannot write to stdout: its reader is stuck, or its disk is full");

/** syslog(3). */
const PRIORITY = { error: 3, warning: 4, info: 6 } as const;

/** As a service: stderr is systemd's journal, systemd.exec(5), where others read too. */
export function isInJournal(stream: string | undefined = process.env.JOURNAL_STREAM): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(2);
  return stream === `${dev}:${ino}`;
}

/** One line to the person. The journal knows who speaks, and is told how much it matters: sd-daemon(3). */
export function say(text: string, priority: keyof typeof PRIORITY = "warning"): void {
  const level = `<${PRIORITY[priority]}>`;
  toPerson.write(isInJournal() ? level + text.replaceAll("\n", `\n${level}`) : `reprieve: ${text}`);
}

/** Waits, within a bound, until the person has it all. */
export async function said(): Promise<void> {
  await toPerson.end(END_BOUND_MS);
}

// --- internal ---

function writeTo(fd: number, bytes: Buffer): Promise<{ bytesWritten: number }> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, bytesWritten) => (error ? reject(error) : resolve({ bytesWritten })));
  });
}
