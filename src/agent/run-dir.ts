// SPDX-License-Identifier: MIT
/** The directory under /run that is this agent's: ledger and token. Nobody else may write there. */

import { mkdirSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, exit } from "../errors.ts";

/** A starting `core release` removes directories without a ledger, ours too: then it is made again. */
const TRIES = 5;

/** Where the run directories of all of this user's agents are. */
export function runBase(uid: number = process.getuid?.() ?? 0): string {
  if (uid === 0) return "/run/reprieve";
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (runtime?.startsWith("/")) return join(runtime, "reprieve");
  throw new CliError(exit.host, "XDG_RUNTIME_DIR is not set: reprieve keeps its ledger there");
}

export class RunDir {
  readonly path: string;
  readonly #base: string;
  readonly #undo: AsyncDisposableStack;
  #made = false;

  constructor(base: string, undo: AsyncDisposableStack) {
    this.#base = base;
    this.#undo = undo;
    this.path = join(base, String(process.pid));
  }

  /** Makes it; refuses a base that another user could write to. */
  make(): string {
    if (!this.#made) this.#undo.defer(() => this.#remove());
    this.#made = true;
    try {
      mkdirSync(this.#base, { recursive: true, mode: 0o700 });
      const { uid, mode } = statSync(this.#base);
      if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
        const remedy = "remove it, or chown and chmod 700 it";
        throw new CliError(exit.notPermitted, `others may write to ${this.#base}: ${remedy}`);
      }
      mkdirSync(this.path, { recursive: true, mode: 0o700 });
      return this.path;
    } catch (error) {
      if (error instanceof CliError) throw error;
      const code = (error as NodeJS.ErrnoException).code;
      throw new CliError(
        exit.host,
        `cannot make ${this.path} (${code}): a writable /run is needed`,
      );
    }
  }

  /** Makes it together with the ledger, whose lock says that we live. */
  makeWith(createLedger: (path: string) => number): number {
    for (let tries = 1; ; tries++) {
      try {
        return createLedger(join(this.make(), "ledger"));
      } catch (error) {
        if (error instanceof CliError) throw error;
        if (tries === TRIES) throw new CliError(exit.host, `${(error as Error).message}`);
      }
    }
  }

  writeToken(token: string): void {
    writeFileSync(join(this.path, "token"), `${token}\n`, { mode: 0o600 });
  }

  /** The base goes too when no other agent is there. */
  #remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    try {
      rmdirSync(this.#base);
    } catch {
      // Another agent lives there.
    }
  }
}
