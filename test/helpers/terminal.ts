// SPDX-License-Identifier: MIT
/** A real terminal: tmux, with a shell in it. */
import { program } from "./require.ts";
import { until } from "./wait.ts";

export const tmux = program("tmux", "apt-get install tmux");

/** Each look is a process. */
const TICK_MS = 50;

const open = new Set<Terminal>();
let count = 0;

export class Terminal {
  readonly #socket = `reprieve-test-${process.pid}-${++count}`;

  private constructor(width: number, height: number, env: Record<string, string>) {
    const set = Object.entries(env).flatMap((pair) => ["-e", pair.join("=")]);
    const size = ["-x", width, "-y", height].map(String);
    this.#tmux("-f", "/dev/null", "new-session", "-d", ...size, ...set, "sh");
    open.add(this);
  }

  static async open(width = 80, height = 24, env: Record<string, string> = {}): Promise<Terminal> {
    const terminal = new Terminal(width, height, env);
    await terminal.shows(/\S/);
    return terminal;
  }

  /** What is to be seen; `-e`: with its colours. */
  screen(...flags: string[]): string {
    return this.#tmux("capture-pane", "-p", ...flags);
  }

  async shows(what: string | RegExp, boundMs = 10_000): Promise<void> {
    await this.#until(what, true, boundMs);
  }

  async lacks(what: string | RegExp, boundMs = 10_000): Promise<void> {
    await this.#until(what, false, boundMs);
  }

  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.press("Enter");
  }

  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  resize(width: number, height: number): void {
    this.#tmux("resize-window", "-x", String(width), "-y", String(height));
  }

  /** Whether the program in it has the other screen. */
  get isOther(): boolean {
    return this.#flag("alternate_on");
  }

  get hasCursor(): boolean {
    return this.#flag("cursor_flag");
  }

  close(): void {
    this.#tmux("kill-server");
    open.delete(this);
  }

  #flag(name: string): boolean {
    return this.#tmux("display-message", "-p", `#{${name}}`).trim() === "1";
  }

  async #until(what: string | RegExp, isThere: boolean, boundMs: number): Promise<void> {
    const isAsWanted = () => has(this.screen(), what) === isThere;
    const text = `${what} ${isThere ? "on" : "to go from"} the screen`;
    await until(text, isAsWanted, boundMs, TICK_MS).catch((error) => {
      throw new Error(`${error.message}: ${this.screen()}`);
    });
  }

  #tmux(...args: string[]): string {
    const env = { ...process.env, LC_ALL: "C.UTF-8" };
    const { stdout } = Bun.spawnSync(["tmux", "-u", "-L", this.#socket, ...args], { env });
    return stdout.toString();
  }
}

function has(screen: string, what: string | RegExp): boolean {
  return typeof what === "string" ? screen.includes(what) : what.test(screen);
}

/** For afterEach. */
export function closeTerminals(): void {
  for (const terminal of open) terminal.close();
}
