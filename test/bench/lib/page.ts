// SPDX-License-Identifier: MIT
/**
 * The page shared with the bench's programs, as programs/page.h lays it out.
 *
 * The file is written, and so charged, before any program maps it: a group under test pays
 * nothing for it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { onEnd } from "./cleanup.ts";

const PAGE_BYTES = 4096;

/** Index of each 64-bit word; static_asserts in page.h hold the other side. */
const WORD = {
  measuring: 0,
  victimPid: 1,
  leakerPid: 8,
  touch0: 9,
  touch1: 10,
  death: 16,
  neighbourPid: 24,
  longest: 25,
  failedCalls: 26,
  finished: 27,
  ready: 32,
} as const;

export type Word = keyof typeof WORD;

let directory: string | undefined;
let made = 0;

export class Page {
  readonly path: string;
  readonly #words: BigUint64Array;

  constructor() {
    directory ??= newDirectory();
    this.path = `${directory}/page-${made++}`;
    writeFileSync(this.path, new Uint8Array(PAGE_BYTES));
    const bytes = Bun.mmap(this.path);
    this.#words = new BigUint64Array(bytes.buffer, bytes.byteOffset, PAGE_BYTES / 8);
  }

  get(word: Word): number {
    return Number(Atomics.load(this.#words, WORD[word]));
  }

  set(word: Word, value: number): void {
    Atomics.store(this.#words, WORD[word], BigInt(value));
  }

  /** The last touch of the leaker's threads, CLOCK_MONOTONIC. */
  lastTouchNs(): number {
    return Math.max(this.get("touch0"), this.get("touch1"));
  }

  clear(): void {
    for (const word of Object.keys(WORD) as Word[]) this.set(word, 0);
  }

  /** Waits until a program has set the word; throws when it takes longer than `boundMs`. */
  async until(word: Word, least = 1, boundMs = 30_000): Promise<void> {
    for (let waited = 0; this.get(word) < least; waited++) {
      if (waited >= boundMs) throw new Error(`Cannot go on as ${word} stays ${this.get(word)}`);
      await Bun.sleep(1);
    }
  }
}

function newDirectory(): string {
  const path = mkdtempSync("/dev/shm/reprieve-bench-");
  onEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
