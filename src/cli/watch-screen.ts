// SPDX-License-Identifier: MIT
/** `reprieve watch` in a terminal. */

import type { Agent } from "./agents.ts";
import type { End, Show } from "./follow.ts";
import { paperOf, Screen } from "./screen.ts";
import { guardPart, type Part, statusPart } from "./status-text.ts";
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
  #part: Part = { lines: [], from: 0, shown: 0 };

  constructor(name: string | undefined, end: End) {
    this.#name = name;
    this.#screen = new Screen((key) => {
      if (QUITTING.has(key)) end.resolve();
      else this.#scroll(key);
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
    this.#part = this.#layOut();
    if (this.#screen.draw(this.#part.lines)) this.#isDirty = false;
  }

  #scroll(key: string): void {
    const to = SCROLLING[key]?.(this.#part);
    if (to === undefined) return;
    this.#part = { ...this.#part, from: to };
    this.#isDirty = true;
    this.#turn();
  }

  #layOut(): Part {
    const name = this.#name;
    const { from } = this.#part;
    const paper = paperOf();
    const all = [...this.#all];
    const agents = all.map((one) => one.seen());
    if (name === undefined) return statusPart(agents, paper, from);
    const seen = all.map((one) => one.guardSeen(name));
    const having = seen.filter(({ guard }) => guard !== undefined);
    const shown = having.length > 0 ? having : seen;
    const height = Math.floor(paper.height / shown.length);
    const parts = shown.map((one) => guardPart(one, { ...paper, height }, from));
    return {
      lines: parts.flatMap(({ lines }) => lines),
      from: Math.max(0, ...parts.map((part) => part.from)),
      shown: Math.min(...parts.map((part) => part.shown)),
    };
  }
}

// --- internal ---

/** The row to begin with. */
const SCROLLING: Readonly<Record<string, (now: Part) => number>> = {
  up: ({ from }) => from - 1,
  down: ({ from }) => from + 1,
  pageup: ({ from, shown }) => from - shown,
  pagedown: ({ from, shown }) => from + shown,
  home: () => 0,
  end: () => Number.POSITIVE_INFINITY,
};
