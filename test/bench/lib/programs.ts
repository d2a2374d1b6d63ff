// SPDX-License-Identifier: MIT
/**
 * Starts the bench's C programs and the binary under test; each is killed at the end if it still
 * runs.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import * as v from "valibot";
import { type IncidentClosed, Message } from "../../../src/feed/protocol.ts";
import { onEnd } from "./cleanup.ts";
import { killQuietly } from "./group.ts";

const TOP = new URL("../../..", import.meta.url).pathname;
export const REPRIEVE = process.env.REPRIEVE ?? `${TOP}dist/reprieve`;

/** Path of a program that `make` built for the bench. */
export function built(name: string): string {
  const path = `${TOP}dist/build/bench/${name}`;
  if (!existsSync(path)) throw new Error(`Cannot find ${path}: run "make bench"`);
  return path;
}

const STOP_BOUND_MS = 3000;

export type Program = Bun.Subprocess<"ignore", "pipe", "inherit">;

let started = 0;

export function start(
  command: string[],
  stderr: "inherit" | "ignore" = "inherit",
  stdout: "pipe" | Bun.BunFile = "pipe",
): Program {
  const program = Bun.spawn(command, {
    stdin: "ignore",
    stdout,
    stderr,
    detached: true, // a Ctrl-C is for the bench, which ends them in order
  });
  const forget = onEnd(() => stopNow(program.pid));
  void program.exited.then(forget);
  return program as Program;
}

/**
 * Ends a child of ours by SIGTERM, so that it puts back what it changed; by SIGKILL if it does
 * not.
 */
function stopNow(pid: number): void {
  killQuietly(pid, "SIGTERM");
  for (let waited = 0; waited < STOP_BOUND_MS && isRunning(pid); waited += 5) Bun.sleepSync(5);
  if (isRunning(pid)) killQuietly(pid);
}

/** A zombie has done all it will do; we reap it when the event loop runs again. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Exit code, or 128 + signal; throws when it does not end within `boundMs`. */
export async function ended(program: Program, boundMs: number): Promise<number> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`Cannot go on as ${program.pid} still runs after ${boundMs} ms`));
  }, boundMs);
  try {
    return await Promise.race([program.exited, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The binary under test, guarding groups until `stop`. What it says goes to a file, which is read when somebody asks: to read
 * along would take CPU from whom is measured.
 */
export class Reprieve {
  readonly #program: Program;
  readonly #said: string;
  readonly #messages: Message[] = [];
  #read = 0;

  private constructor(program: Program, said: string) {
    this.#program = program;
    this.#said = said;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** Resolves when every group is armed. */
  static async guard(paths: string[], options: string[] = []): Promise<Reprieve> {
    if (!existsSync(REPRIEVE)) throw new Error(`Cannot find ${REPRIEVE}: run "make"`);
    const cgroups = paths.flatMap((path) => ["--cgroup", path]);
    const said = `/dev/shm/reprieve-bench-said-${process.pid}-${started++}`;
    onEnd(() => rmSync(said, { force: true }));
    const program = start(
      [REPRIEVE, "run", ...cgroups, "--allow-kill", "--json", "--journal", "none", ...options],
      process.env.VERBOSE === undefined ? "ignore" : "inherit",
      Bun.file(said),
    );
    const reprieve = new Reprieve(program, said);
    await reprieve.until((seen) => seen.filter((m) => m.type === "armed").length === paths.length);
    return reprieve;
  }

  /** All that it has said so far. */
  get messages(): readonly Message[] {
    const text = readFileSync(this.#said, "utf8");
    const lines = text.slice(this.#read, text.lastIndexOf("\n") + 1).split("\n");
    this.#read = text.lastIndexOf("\n") + 1;
    for (const line of lines)
      if (line !== "") this.#messages.push(v.parse(Message, JSON.parse(line)));
    return this.#messages;
  }

  /** Waits until the messages so far satisfy `test`. */
  async until(test: (messages: readonly Message[]) => boolean, boundMs = 5000): Promise<void> {
    for (let waited = 0; !test(this.messages); waited++) {
      if (this.#program.exitCode !== null)
        throw new Error(`Cannot go on as reprieve ended with ${this.#program.exitCode}`);
      if (waited >= boundMs)
        throw new Error("Cannot go on as reprieve has not said what was awaited");
      await Bun.sleep(1);
    }
  }

  /** How its incidents ended, from message number `from` on. */
  closed(from = 0): IncidentClosed[] {
    return this.messages.slice(from).filter((message) => message.type === "incident.closed");
  }

  async stop(): Promise<void> {
    killQuietly(this.#program.pid, "SIGTERM");
    await ended(this.#program, 10_000);
  }
}
