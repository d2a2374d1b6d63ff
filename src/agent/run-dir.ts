// SPDX-License-Identifier: MIT
/** The directory that is this agent's: ledger and token. Nobody else may write there. */

import { lstatSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, exit } from "../errors.ts";

/** A starting `core release` removes directories without a ledger, ours too: then it is made again. */
const TRIES = 5;

/** Where the run directories of all of this user's agents may be, best first: a container's /run may be read-only. */
export function runBases(
  uid: number = process.getuid?.() ?? 0,
  runtime: string | undefined = process.env.XDG_RUNTIME_DIR,
): readonly string[] {
  if (uid === 0) return ["/run/reprieve", "/dev/shm/reprieve"];
  const shared = `/dev/shm/reprieve-${uid}`;
  return runtime?.startsWith("/") ? [join(runtime, "reprieve"), shared] : [shared];
}

export class RunDir {
  readonly #undo: AsyncDisposableStack;
  #base: string | undefined;

  constructor(undo: AsyncDisposableStack) {
    this.#undo = undo;
  }

  get path(): string {
    return join(this.#base ?? "", String(process.pid));
  }

  /** Makes it in the first base where that can be done. */
  make(): string {
    const refusals: string[] = [];
    for (const base of this.#base === undefined ? runBases() : [this.#base]) {
      const refusal = whyNotMade(base);
      if (refusal !== undefined) {
        refusals.push(`${base}: ${refusal}`);
        continue;
      }
      if (this.#base === undefined) this.#undo.defer(() => this.#remove(base));
      this.#base = base;
      return this.path;
    }
    throw new CliError(exit.host, `cannot make a run directory (${refusals.join("; ")})`);
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
  #remove(base: string): void {
    rmSync(this.path, { recursive: true, force: true });
    try {
      rmdirSync(base);
    } catch {
      // Another agent lives there.
    }
  }
}

// --- internal ---

/** Makes base and directory, unless another user could write to the base. */
function whyNotMade(base: string): string | undefined {
  try {
    mkdirSync(base, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(base);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
      return "others may write to it, remove it";
    }
    mkdirSync(join(base, String(process.pid)), { recursive: true, mode: 0o700 });
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
