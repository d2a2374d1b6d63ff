// SPDX-License-Identifier: MIT
/** CMD of `run -- CMD`: finds it, starts it inside its group, passes signals on, tells how it ended. */

import { accessSync, closeSync, constants, existsSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { resolve } from "node:path";
import { CliError, exit } from "../errors.ts";
import type { Core } from "../native/core.ts";
import { inherited } from "../native/embed.ts";

/** What ends a guard; everything else is for CMD only. */
const ENDING = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;
type Signal = (typeof ENDING)[number];
/** With the real-time ones all that would end us, or tell something, and is not Bun's own. */
const CAUGHT = [
  ...ENDING,
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGCONT",
  "SIGWINCH",
] as const;
/** A terminal sends these to everybody in front of it: CMD has got its own, unless somebody used kill(2). */
const TERMINALS: readonly number[] = [os.signals.SIGINT, os.signals.SIGQUIT, os.signals.SIGWINCH];

export interface Command {
  /** What is executed. */
  readonly program: string;
  /** As it was given, its name included. */
  readonly argv: readonly string[];
}

/** The absolute path that execve(2) gets; the errors are those of a shell. */
export function findProgram(name: string): string {
  const missing = new CliError(exit.notFound, `cannot run ${name}: no such program`);
  if (name.includes("\u{fffd}")) {
    throw new CliError(exit.notFound, `cannot run ${name}: its name is not UTF-8, give it a link`);
  }
  if (!name.includes("/")) {
    const found = name === "" ? null : Bun.which(name);
    if (found === null) throw missing;
    return resolve(found);
  }
  if (!existsSync(name)) throw missing;
  try {
    accessSync(name, constants.X_OK);
  } catch {
    throw new CliError(exit.notExecutable, `cannot run ${name}: it is not executable`);
  }
  if (!statSync(name).isFile()) {
    throw new CliError(exit.notExecutable, `cannot run ${name}: it is no program`);
  }
  return resolve(name);
}

/**
 * The group's program, started by the core: it joins first, so that nothing of it is charged elsewhere. The core
 * takes arguments and environment as we got them; these here have been decoded.
 */
export function startCommand(core: string, group: string, { program, argv }: Command) {
  // An index is a descriptor's number; Bun closes the gaps, and our own are above (native/embed.ts).
  const stdio: (number | null)[] = Array(Math.max(2, ...inherited) + 1).fill(null);
  for (const fd of [0, 1, 2, ...inherited]) stdio[fd] = fd;
  const started = Bun.spawn([core, "join", String(process.pid), group, "--", program, ...argv], {
    stdio: stdio as [number, number, number],
    env: process.env,
  });
  // CMD may close its own to tell the other end something.
  for (const fd of inherited) closeSync(fd);
  return started;
}

/** 128 + n for a signal, like a shell. */
export async function exitCodeOf(command: Bun.Subprocess): Promise<number> {
  const code = await command.exited;
  const signal = command.signalCode;
  if (signal === null) return code;
  return exit.signal + (typeof signal === "number" ? signal : os.signals[signal]);
}

/**
 * From its making on, signals end nothing by themselves: what is to be put back is put back first. One that was
 * ignored when we started stays so, for CMD too.
 */
export class Signals {
  /** The first signal that was for us to act upon. */
  readonly first: Promise<Signal>;
  received: Signal | undefined;
  readonly #pipe: number;
  /** What SIGHUP asks for, where it does not end us. */
  readonly #reload: (() => void) | undefined;
  #command: Bun.Subprocess | undefined;
  #resolve: (signal: Signal) => void = () => {};

  constructor(core: Core, reload?: () => void) {
    this.#reload = reload;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const bits = CAUGHT.map((signal) => 1n << BigInt(os.signals[signal] - 1));
    this.#pipe = core.catchSignals(bits.reduce((all, bit) => all | bit));
  }

  /** 128 + n of the signal that was for us, like a shell. */
  get code(): number {
    return this.received === undefined ? exit.ok : exit.signal + os.signals[this.received];
  }

  /** What came till now is handled too. Not before the last synchronous child: that could lose the wake. */
  async listen(): Promise<void> {
    for await (const chunk of Bun.file(this.#pipe).stream()) {
      const words = new Int32Array(chunk.slice().buffer);
      for (let i = 0; i < words.length; i += 2) this.#on(words[i] ?? 0, words[i + 1] ?? 0);
    }
  }

  /** From now on signals are the command's. */
  passTo(command: Bun.Subprocess): void {
    this.#command = command;
  }

  #on(signal: number, code: number): void {
    const command = this.#command;
    if (command !== undefined && command.exitCode === null && command.signalCode === null) {
      const isByKernel = code > 0;
      if (!(isByKernel && TERMINALS.includes(signal))) pass(command.pid, signal);
      return;
    }
    const ending = ENDING.find((name) => os.signals[name] === signal);
    if (ending === undefined) return;
    if (ending === "SIGHUP" && this.#reload !== undefined) {
      this.#reload();
      return;
    }
    this.received ??= ending;
    this.#resolve(ending);
  }
}

// --- internal ---

/** Bun's own kill() of a child knows no real-time signal. */
function pass(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch {
    // CMD has become another user's.
  }
}
