// SPDX-License-Identifier: MIT
/**
 * The terminal as a whole: its other screen, so that what was there before is there again behind us, however we end (but by SIGKILL).
 * Plain ANSI, as over ssh and in tmux.
 */

import { writeSync } from "node:fs";
import { END_BOUND_MS, Lines } from "./output.ts";
import type { Paper } from "./table.ts";

/** The other screen, no cursor; what is too wide after all does not become a line more. */
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const ERASE_LINE = "\u001b[K";
/** Of a terminal that does not say. */
const WIDTH = 80;
const HEIGHT = 24;

/** As large as stdout, and coloured where that is a terminal and nobody minds. */
export function paperOf(): Paper {
  const { isTTY, columns, rows } = process.stdout;
  if (!isTTY) {
    const { POSITIVE_INFINITY: any } = Number;
    return { width: any, height: any, isColoured: false };
  }
  const { NO_COLOR, TERM } = process.env;
  const isColoured = (NO_COLOR ?? "") === "" && TERM !== "dumb";
  return { width: columns || WIDTH, height: rows || HEIGHT, isColoured };
}

/** Whether it can be drawn on. */
export function isScreen(): boolean {
  return process.stdout.isTTY === true && process.env.TERM !== "dumb";
}

export class Screen {
  readonly #lines = new Lines(1, "lines");
  readonly #leave = () => this.#restore();
  #shown = "";
  #isOpen = true;

  /** `pressed`: a key; Ctrl-C is one here. */
  constructor(pressed: (key: string) => void) {
    process.on("exit", this.#leave);
    put(ENTER);
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", (keys) => {
      for (const key of keys.toString()) pressed(key);
    });
  }

  /** Nobody looks any more. */
  get isGone(): boolean {
    return this.#lines.isClosed;
  }

  /** False: it has not taken yet what was drawn last. */
  draw(lines: readonly string[], isAnew: boolean): boolean {
    const all = Array.from({ length: paperOf().height }, (_, row) => lines[row] ?? "");
    // Erased before it is written: behind a full line that would take its last character.
    const frame = all.map((line) => ERASE_LINE + line).join("\r\n");
    if (!this.#lines.isTaken) return false;
    if (frame === this.#shown && !isAnew) return true;
    this.#shown = frame;
    // A line feed ends it: at the top that moves nothing.
    this.#lines.write(`${HOME}${frame}${HOME}`);
    return true;
  }

  async close(): Promise<void> {
    await this.#lines.end(END_BOUND_MS);
    this.#restore();
    process.off("exit", this.#leave);
  }

  // --- internal ---

  #restore(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    put(LEAVE);
    if (process.stdin.isTTY) process.stdin.setRawMode(false).pause();
  }
}

// --- internal ---

/** The terminal may be gone. */
function put(text: string): void {
  try {
    writeSync(1, text);
  } catch {}
}
