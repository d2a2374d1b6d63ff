// SPDX-License-Identifier: MIT
/** `reprieve watch` where there is no terminal: lines as `run` prints them, or its JSON. */

import type { Message } from "../feed/protocol.ts";
import { visible } from "../shown.ts";
import type { Agent } from "./agents.ts";
import type { End, Followed, Show } from "./follow.ts";
import { localTime } from "./incident-text.ts";
import { Lines, say, UNWRITTEN } from "./output.ts";
import { linesOf } from "./timeline.ts";

const LOOK_MS = 250;
const READER_BOUND_MS = 1000;

export class AsLines implements Show {
  readonly maxHz = undefined;
  readonly #out = new Lines(1, "lines");
  readonly #name: string | undefined;
  readonly #isJson: boolean;
  readonly #timer: Timer;

  constructor(name: string | undefined, isJson: boolean, end: End) {
    this.#name = name;
    this.#isJson = isJson;
    this.#timer = setInterval(() => {
      if (this.#out.isLeft) end.resolve();
      else if (this.#out.isClosed) end.reject(UNWRITTEN());
    }, LOOK_MS);
  }

  add(agent: Agent): Followed {
    const of = `the reprieve at ${visible(agent.url)}`;
    let isGone = false;
    return {
      agent,
      greeted() {},
      sampled() {},
      hear: (message, line) => this.#hear(message, line),
      gone(since, why) {
        if (!isGone) say(`${of} is gone since ${localTime(since)}: ${visible(why)}`);
        isGone = true;
      },
      back() {
        if (isGone) say(`${of} answers again`);
        isGone = false;
      },
    };
  }

  remove(): void {}

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#out.end(READER_BOUND_MS);
  }

  // --- internal ---

  #hear(message: Message, line: string): void {
    if (this.#name !== undefined && guardOf(message) !== this.#name) return;
    for (const one of this.#isJson ? [line] : linesOf(message)) this.#out.write(one);
  }
}

// --- internal ---

function guardOf(message: object): unknown {
  return "guard" in message ? message.guard : undefined;
}
