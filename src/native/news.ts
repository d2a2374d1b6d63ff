// SPDX-License-Identifier: MIT
/** What is told of each guard, as it was when it was told last. Asked once a second of a thousand: nothing is made for that. */

import { at, role, size } from "./layout.ts";

/** Words of a guard: its state first, then what shows once a second. */
const WORDS = [
  at.guard_state,
  at.guard_usage_bytes,
  at.guard_usage_bytes + 4,
  at.guard_limit_bytes,
  at.guard_limit_bytes + 4,
  at.guard_procs,
  at.guard_designated_pid,
  at.guard_attached + role.HANDLER * 4,
].map((offset) => offset / 4);
const NOT_TOLD = 0xffff_ffff;

export class News {
  readonly #now: Uint32Array;
  readonly #told: Uint32Array;

  constructor(region: ArrayBuffer) {
    this.#now = new Uint32Array(region);
    this.#told = new Uint32Array((this.#now[at.region_guards_max / 4] ?? 0) * WORDS.length);
  }

  /** Nothing was told of it. */
  begin(guard: number): void {
    this.#told[guard * WORDS.length] = NOT_TOLD;
  }

  /** Is there any? `all`: of more than its state. It is told then. */
  take(guard: number, all: boolean): boolean {
    if (!this.#differs(guard, all ? WORDS.length : 1)) return false;
    for (let i = 0; i < WORDS.length; i += 1) {
      this.#told[guard * WORDS.length + i] = this.#word(guard, i);
    }
    return true;
  }

  // --- internal ---

  #differs(guard: number, words: number): boolean {
    for (let i = 0; i < words; i += 1) {
      if (this.#word(guard, i) !== this.#told[guard * WORDS.length + i]) return true;
    }
    return false;
  }

  #word(guard: number, i: number): number {
    return Atomics.load(this.#now, (at.region_guards + guard * size.guard) / 4 + (WORDS[i] ?? 0));
  }
}
