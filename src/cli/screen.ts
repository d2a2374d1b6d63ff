// SPDX-License-Identifier: MIT
/**
 * The terminal as a whole: its other screen, so that what was there before is there again behind us, however we end (but by SIGKILL).
 * Plain ANSI, as over ssh and in tmux.
 */

import { writeSync } from "node:fs";
import { emitKeypressEvents } from "node:readline";
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
  readonly #stop = () => void this.#suspend();
  readonly #redraw = () => {
    this.#shown = undefined;
  };
  /** Undefined: what is on it is not known. */
  #shown: string | undefined;
  #state: "ours" | "leaving" | "left" | "closed" = "left";

  /** `pressed`: a key, by its name; Ctrl-C is one here. */
  constructor(pressed: (key: string) => void) {
    process.on("exit", this.#leave);
    process.on("SIGTSTP", this.#stop);
    // Whoever stopped us by SIGSTOP has left the shell our screen, and the shell us its modes.
    process.on("SIGCONT", () => this.#enter());
    process.on("SIGWINCH", this.#redraw);
    this.#enter();
    if (!process.stdin.isTTY) return;
    emitKeypressEvents(process.stdin);
    process.stdin.on("keypress", (_, { name = "", ctrl = false }: Key) => {
      if (ctrl && name === "z")
        process.kill(0, "SIGTSTP"); // for all of the job, as the terminal does it
      else pressed(ctrl ? `C-${name}` : name);
    });
  }

  /** Nobody looks any more. */
  get isGone(): boolean {
    return this.#lines.isClosed;
  }

  /** It has another size, or somebody else has used it. */
  get isStale(): boolean {
    return this.#shown === undefined;
  }

  /** False: it has not taken yet what was drawn last. */
  draw(lines: readonly string[]): boolean {
    const all = Array.from({ length: paperOf().height }, (_, row) => lines[row] ?? "");
    // Erased before it is written: behind a full line that would take its last character.
    const frame = all.map((line) => ERASE_LINE + line).join("\r\n");
    if (this.#state !== "ours" || !this.#lines.isTaken) return false;
    if (frame === this.#shown) return true;
    this.#shown = frame;
    // A line feed ends it: at the top that moves nothing.
    this.#lines.write(`${HOME}${frame}${HOME}`);
    return true;
  }

  async close(): Promise<void> {
    await this.#lines.end(END_BOUND_MS);
    this.#restore();
    this.#state = "closed";
    process.off("exit", this.#leave);
  }

  // --- internal ---

  /** Modes first: one that is in the background is stopped there by the kernel, and has drawn nothing. */
  #enter(): void {
    if (this.#state !== "ours" && this.#state !== "left") return;
    this.#state = "ours";
    setRaw(false); // Bun sets no mode that it has set before
    setRaw(true);
    put(ENTER);
    this.#redraw();
  }

  #restore(): void {
    if (this.#state === "left" || this.#state === "closed") return;
    this.#state = "left";
    put(LEAVE);
    setRaw(false);
  }

  /** Gives the terminal back, and stops: not where nobody could have us go on, which the kernel knows. */
  async #suspend(): Promise<void> {
    if (this.#state !== "ours") return;
    this.#state = "leaving"; // what is drawn by now is taken first
    await this.#lines.end(END_BOUND_MS);
    if (this.#state !== "leaving") return;
    this.#restore();
    process.off("SIGTSTP", this.#stop);
    process.kill(process.pid, "SIGTSTP");
    process.on("SIGTSTP", this.#stop);
    this.#enter();
  }
}

// --- internal ---

interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean;
}

function setRaw(isRaw: boolean): void {
  if (process.stdin.isTTY) process.stdin.setRawMode(isRaw);
}

/** The terminal may be gone. */
function put(text: string): void {
  try {
    writeSync(1, text);
  } catch {}
}
