// SPDX-License-Identifier: MIT
/** The directory that is this agent's: ledger and token. Nobody else may write there. */

import { existsSync, lstatSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownGroups } from "../cgroup/group.ts";
import { CliError, exit } from "../errors.ts";
import { NativeError } from "../native/core.ts";

/** A starting `core release` removes directories without a ledger, ours too: then it is made again; or removed, at our end. */
const TRIES = 5;
/** Of a ledger: the directory is gone, or in the moment without a ledger became another one's. */
const LOST: ReadonlySet<string> = new Set(["ENOENT", "EEXIST"]);
const NAMES_MAX = 99;

/** Where the run directories of all of this user's agents may be, best first: a container's /run may be read-only. */
export function runBases(
  uid: number = process.getuid?.() ?? 0,
  runtime: string | undefined = process.env.XDG_RUNTIME_DIR,
): readonly string[] {
  if (uid === 0) return ["/run/reprieve", "/dev/shm/reprieve"];
  const shared = `/dev/shm/reprieve-${uid}`;
  return runtime?.startsWith("/") ? [join(runtime, "reprieve"), shared] : [shared];
}

/** What others could write there is no reprieve's word. */
export function isOursAlone(base: string): boolean {
  const { uid, mode } = lstatSync(base);
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

export class RunDir {
  #base: string | undefined;
  #name: string | undefined;
  #isKept = false;

  constructor(undo: AsyncDisposableStack) {
    undo.defer(() => this.#remove());
  }

  /** Also of the groups that go with it: nobody else's on this host, as far as we see. */
  get name(): string {
    return this.#name ?? "";
  }

  /** What all of this user's agents share. */
  get base(): string {
    return this.#base ?? "";
  }

  get path(): string {
    return join(this.#base ?? "", this.name);
  }

  /** Makes it, unless it is made, in the first base where that can be done. */
  make(): string {
    if (this.#name !== undefined) return this.path;
    const refusals: string[] = [];
    for (const base of this.#base === undefined ? runBases() : [this.#base]) {
      try {
        this.#name = makeIn(base);
        this.#base = base;
        return this.path;
      } catch (error) {
        refusals.push(`${base}: ${codeOf(error)}`);
      }
    }
    throw new CliError(exit.host, `cannot make a run directory (${refusals.join("; ")})`);
  }

  /** Makes it together with the ledger, whose lock says that we live. */
  makeWith(createLedger: (path: string) => number): number {
    for (let tries = 1; ; tries++) {
      const path = this.make();
      try {
        return createLedger(join(path, "ledger"));
      } catch (error) {
        if (!(error instanceof NativeError)) throw error;
        const { errno } = error;
        if (!LOST.has(errno) || tries === TRIES) {
          throw new CliError(exit.host, `cannot write a ledger in ${path} (${errno}): make room`);
        }
        this.#name = undefined;
      }
    }
  }

  /** Lines for others of this user: `token` and `address` of the feed, `config` for `reprieve reload`, `groups` for `core release`. */
  write(name: "token" | "address" | "config" | "groups", line: string): void {
    const path = join(this.path, name);
    try {
      writeFileSync(path, `${line}\n`, { mode: 0o600 });
    } catch (error) {
      throw new CliError(exit.host, `cannot write ${path} (${codeOf(error)}): make room`);
    }
  }

  /** What its ledger says is still to be done, by `core release`. */
  keep(): void {
    this.#isKept = true;
  }

  /** The base goes too when no other agent is there. */
  #remove(): void {
    if (this.#isKept) return;
    if (this.#base === undefined || this.#name === undefined) return;
    try {
      // Where a `core release` that starts takes a file meanwhile, Bun leaves the rest, and says nothing.
      for (let tries = 1; tries <= TRIES && existsSync(this.path); tries++)
        rmSync(this.path, { recursive: true, force: true });
      rmdirSync(this.#base);
    } catch {
      // Another agent lives in the base, or the next release finds it without a lock.
    }
  }
}

// --- internal ---

/**
 * Makes the base, unless another user could write to it, and in it a directory that was not there: the process
 * id is another agent's too where two pid namespaces share the base. Returns its name.
 */
function makeIn(base: string): string {
  for (let n = 1; n <= NAMES_MAX; n++) {
    const name = n === 1 ? String(process.pid) : `${process.pid}-${n}`;
    if (!ownGroups(name).some(existsSync) && mkdirIn(base, name)) return name;
  }
  throw new Error(`${NAMES_MAX} of this process id are there, remove those of the dead`);
}

/** False: it is there. The base may go meanwhile, with the last other agent. */
function mkdirIn(base: string, name: string): boolean {
  for (let tries = 1; ; tries++) {
    mkdirSync(base, { recursive: true, mode: 0o700 });
    if (!isOursAlone(base)) throw new Error("others may write to it, remove it");
    try {
      mkdirSync(join(base, name), { mode: 0o700 });
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === "EEXIST") return false;
      if (code !== "ENOENT" || tries === TRIES) throw error;
    }
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}
