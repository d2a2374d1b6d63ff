// SPDX-License-Identifier: MIT
/** CMD of `run -- CMD`: finds it, starts it inside its group, passes signals on, tells how it ended. */

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { resolve } from "node:path";
import { CliError, exit } from "../errors.ts";

const SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;
type Signal = (typeof SIGNALS)[number];

/** The absolute path that execve(2) gets; the errors are those of a shell. */
export function findProgram(name: string): string {
  const missing = new CliError(exit.notFound, `cannot run ${name}: no such program`);
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

/** The group's program, started by the core: it joins first, so that nothing of it is charged elsewhere. */
export function startCommand(core: string, group: string, argv: readonly string[]) {
  return Bun.spawn([core, "join", group, "--", ...argv], {
    stdio: ["inherit", "inherit", "inherit"],
    env: process.env,
  });
}

/** 128 + n for a signal, like a shell. */
export async function exitCodeOf(command: Bun.Subprocess): Promise<number> {
  const code = await command.exited;
  const signal = command.signalCode;
  if (signal === null) return code;
  return exit.signal + (typeof signal === "number" ? signal : os.signals[signal]);
}

/** From its making on, signals end nothing by themselves: what is to be put back is put back first. */
export class Signals {
  /** The first signal that was for us to act upon. */
  readonly first: Promise<Signal>;
  received: Signal | undefined;
  #command: Bun.Subprocess | undefined;
  #resolve: (signal: Signal) => void = () => {};

  constructor() {
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const signal of SIGNALS) process.on(signal, () => this.#on(signal));
  }

  /** 128 + n of the signal that was for us, like a shell. */
  get code(): number {
    return this.received === undefined ? exit.ok : exit.signal + os.signals[this.received];
  }

  /** From now on signals are the command's. */
  passTo(command: Bun.Subprocess): void {
    this.#command = command;
  }

  #on(signal: Signal): void {
    const command = this.#command;
    // A terminal sends these two to everybody in front of it: the command has got its own already.
    const isTwice = (signal === "SIGINT" || signal === "SIGQUIT") && process.stdin.isTTY === true;
    if (command !== undefined && command.exitCode === null && command.signalCode === null) {
      if (!isTwice) command.kill(signal);
      return;
    }
    this.received ??= signal;
    this.#resolve(signal);
  }
}
