// SPDX-License-Identifier: MIT
/** `reprieve watch` in a terminal. */

import type { Agent } from "./agents.ts";
import type { End, Show } from "./follow.ts";
import { paperOf, Screen } from "./screen.ts";
import { guardLines, statusLines } from "./status-text.ts";
import { Watched } from "./watched.ts";

/** As often as a person can read it. */
const DRAW_MS = 250;
const MAX_HZ = 4;
const QUITTING = new Set(["q", "C-c"]);

/** Drawn on the terminal. */
export class OnScreen implements Show<Watched> {
  readonly maxHz = MAX_HZ;
  readonly #name: string | undefined;
  readonly #all = new Set<Watched>();
  readonly #screen: Screen;
  readonly #timer: Timer;
  #isDirty = true;

  constructor(name: string | undefined, end: End) {
    this.#name = name;
    this.#screen = new Screen((key) => {
      if (QUITTING.has(key)) end.resolve();
    });
    this.#timer = setInterval(() => {
      if (this.#screen.isGone) end.resolve();
      this.#turn();
    }, DRAW_MS);
  }

  add(agent: Agent): Watched {
    const watched = new Watched(agent, this.#name, () => {
      this.#isDirty = true;
    });
    this.#all.add(watched);
    return watched;
  }

  remove(watched: Watched): void {
    this.#all.delete(watched);
    this.#isDirty = true;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#screen.close();
  }

  // --- internal ---

  #turn(): void {
    for (const watched of this.#all) void watched.askIncidents();
    const isCounting = [...this.#all].some((one) => one.isCounting);
    if (!this.#isDirty && !this.#screen.isStale && !isCounting) return;
    if (this.#screen.draw(this.#lines())) this.#isDirty = false;
  }

  #lines(): string[] {
    const name = this.#name;
    if (name === undefined) {
      return statusLines(
        [...this.#all].map((one) => one.seen()),
        paperOf(),
      );
    }
    const all = [...this.#all].map((one) => one.guardSeen(name));
    const having = all.filter(({ guard }) => guard !== undefined);
    return (having.length > 0 ? having : all).flatMap((one) => guardLines(one, paperOf()));
  }
}
