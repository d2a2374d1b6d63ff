// SPDX-License-Identifier: MIT
/**
 * The journal's file, as the agent has it: it asks the keeper (keeper.ts), and waits no longer than STUCK_MS for an answer. The keeper is
 * there when it is asked, for it takes 7 MB of memory of its own, and 8 MB of program (measured); its start takes 30 ms.
 */

import type { Answer, Ask, Asks } from "./keeper.ts";

/** A write takes some ms, a tenth of a second on a slow disk; who looks at the page waits for it. */
const STUCK_MS = 2000;
/** Without a question. */
const IDLE_MS = 10_000;
/** What is asked at once by those who read; of a page that is open in a hundred places. What is to be written is never refused. */
const ASKED_MOST = 128;
/** Asked until it is done: the same line again would be there twice. */
const PATIENT: ReadonlySet<keyof Asks> = new Set(["append"]);
const READING: ReadonlySet<keyof Asks> = new Set(["list", "place", "row"]);
/** The first word of the keeper's command line. */
const KEEP = "keep-journal";

type Args<K extends keyof Asks> = Parameters<Asks[K]>;
type Value<K extends keyof Asks> = ReturnType<Asks[K]>;

/** Whoever asks gets an answer, or an error with a code. */
export interface Disk {
  ask<K extends keyof Asks>(name: K, ...args: Args<K>): Promise<Value<K>>;
  /** When all is answered, or the bound is over. */
  end(): Promise<void>;
}

interface Asked {
  readonly sinceMs: number;
  readonly answered: (answer: Answer) => void;
}

export class KeptDisk implements Disk {
  readonly #path: string;
  #keeper: Bun.Subprocess | undefined;
  /** The end of the last one, within a bound: it locks the file once more. */
  #leaving: Promise<unknown> = Promise.resolve();
  #idle: Timer | undefined;
  /** By number, oldest first; one that nobody waits for any more stays until it is answered. */
  readonly #asked = new Map<number, Asked>();
  #count = 0;
  #answeredMs = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async ask<K extends keyof Asks>(name: K, ...args: Args<K>): Promise<Value<K>> {
    if (this.#isStuck) throw stuck();
    if (READING.has(name) && this.#asked.size >= ASKED_MOST) throw busy();
    await this.#leaving;
    const keeper = this.#started();
    return await new Promise((resolve, reject) => {
      const isLate = () => reject(this.#isStuck ? stuck() : busy());
      const bound = PATIENT.has(name) ? undefined : setTimeout(isLate, STUCK_MS);
      const number = ++this.#count;
      const answered = (answer: Answer) => {
        clearTimeout(bound);
        this.#asked.delete(number);
        this.#answeredMs = performance.now();
        this.#rest();
        if ("value" in answer) resolve(answer.value as Value<K>);
        else reject(failed(answer.code, answer.message));
      };
      this.#asked.set(number, { sinceMs: performance.now(), answered });
      keeper.send({ number, name, args } satisfies Ask);
    });
  }

  /** One that is stuck ends by itself when the disk answers. */
  async end(): Promise<void> {
    while (this.#asked.size > 0 && !this.#isStuck) await Bun.sleep(END_TICK_MS);
    const isStuck = this.#asked.size > 0;
    if (this.#keeper !== undefined) this.#leave(this.#keeper);
    if (!isStuck) await this.#leaving;
  }

  // --- internal ---

  get #isStuck(): boolean {
    const [oldest] = this.#asked.values();
    if (oldest === undefined) return false;
    return performance.now() - Math.max(oldest.sinceMs, this.#answeredMs) >= STUCK_MS;
  }

  /** Through /proc: another version may be at our path by now. */
  #started(): Bun.Subprocess {
    if (this.#keeper !== undefined) return this.#keeper;
    const keeper = Bun.spawn(["/proc/self/exe", KEEP, this.#path], {
      argv0: "reprieve-journal",
      env: {},
      cwd: "/",
      detached: true,
      stdio: ["ignore", "ignore", "ignore"],
      serialization: "advanced",
      ipc: (answer: Answer) => this.#asked.get(answer.number)?.answered(answer),
      onExit: () => {
        if (this.#keeper === keeper) this.#lose();
      },
    });
    keeper.unref();
    this.#keeper = keeper;
    return keeper;
  }

  /** Where nothing is asked for a while it ends. */
  #rest(): void {
    clearTimeout(this.#idle);
    const keeper = this.#keeper;
    if (keeper === undefined || this.#asked.size > 0) return;
    this.#idle = setTimeout(() => {
      if (this.#asked.size === 0 && this.#keeper === keeper) this.#leave(keeper);
    }, IDLE_MS);
    this.#idle.unref();
  }

  #leave(keeper: Bun.Subprocess): void {
    this.#lose();
    keeper.disconnect();
    this.#leaving = Promise.race([keeper.exited, Bun.sleep(STUCK_MS)]);
  }

  #lose(): void {
    clearTimeout(this.#idle);
    this.#keeper = undefined;
    for (const [number, { answered }] of this.#asked) {
      answered({ number, code: "ENDED", message: "its process has ended" });
    }
  }
}

const END_TICK_MS = 5;

function failed(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function busy(): Error {
  return failed("BUSY", "too much is asked of it at once");
}

function stuck(): Error {
  return failed("STUCK", "its disk does not answer");
}
