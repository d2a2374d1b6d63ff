// SPDX-License-Identifier: MIT
/**
 * The programs of --handler-command: one a guard, as the owner of its group, started again when it dies.
 *
 * Nothing depends on them: they designate themselves at the door as anybody may, and until then reprieve's own
 * handler answers.
 */

import { statSync } from "node:fs";
import type { Command } from "../cli/command.ts";
import { CliError, exit } from "../errors.ts";
import type { CoreImage } from "../native/embed.ts";
import { visible } from "../shown.ts";
import { BackOff } from "./back-off.ts";

/** Then it is killed. */
const END_BOUND_MS = 1000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

interface Guarded {
  readonly name: string;
  readonly path: string;
}

interface Setup {
  readonly image: CoreImage;
  readonly command: Command;
  readonly socket: string;
  readonly say: (text: string) => void;
}

type Program = Bun.Subprocess<"ignore", number, number>;

export class UserHandlers {
  readonly #setup: Setup;
  /** By guard; undefined: it is to be started again. */
  readonly #programs = new Map<string, Program | undefined>();
  #stopping = false;

  constructor(setup: Setup, guards: readonly Guarded[]) {
    this.#setup = setup;
    for (const guard of guards) this.follow(guard);
  }

  /** From now on it has one. */
  follow(guard: Guarded): void {
    if (this.#stopping || this.#programs.has(guard.name)) return;
    this.#programs.set(guard.name, undefined);
    this.#start(guard, new BackOff());
  }

  /** It is a guard no more. */
  async leave({ name }: Guarded): Promise<void> {
    const program = this.#programs.get(name);
    this.#programs.delete(name);
    if (program !== undefined) await end([program]);
  }

  /** Ends them, by force where they do not within a bound. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await end([...this.#programs.values()].filter((program) => program !== undefined));
  }

  // --- internal ---

  #start(guard: Guarded, backOff: BackOff): void {
    const { image, command, socket } = this.#setup;
    const owner = statSync(guard.path, { throwIfNoEntry: false });
    if (owner === undefined) {
      this.#later(guard, backOff, backOff.next(0)); // it was removed, and may come back
      return;
    }
    const { uid, gid } = owner;
    const startedMs = performance.now();
    const as = [image.path, "as", String(uid), String(gid), command.program];
    const program = Bun.spawn([...as, ...command.argv], {
      env: { PATH, REPRIEVE_GUARD: guard.name, REPRIEVE_SOCKET: socket },
      cwd: "/",
      detached: true,
      // What it says is for the person: our stdout may carry JSON lines.
      stdio: ["ignore", 2, 2],
      onExit: (ended) => {
        if (this.#programs.get(guard.name) !== ended) return; // it was let go
        this.#programs.set(guard.name, undefined);
        this.#again(guard, backOff, performance.now() - startedMs);
      },
    });
    this.#programs.set(guard.name, program);
  }

  #again(guard: Guarded, backOff: BackOff, livedMs: number): void {
    if (this.#stopping) return;
    const waitMs = backOff.next(livedMs);
    this.#setup.say(
      `the handler of ${visible(guard.name)} has ended: starting it again in ${waitMs} ms`,
    );
    this.#later(guard, backOff, waitMs);
  }

  #later(guard: Guarded, backOff: BackOff, waitMs: number): void {
    setTimeout(() => {
      const isWaiting = this.#programs.has(guard.name) && !this.#programs.get(guard.name);
      if (!this.#stopping && isWaiting) this.#start(guard, backOff);
    }, waitMs);
  }
}

/** Without root only what is ours can be run as its owner. */
export function demandOwner(path: string): void {
  const own = process.getuid?.();
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  if (own === 0 || own === uid || uid === undefined) return; // gone: attaching says so
  throw new CliError(
    exit.notPermitted,
    `cannot run a handler for ${visible(path)} as its owner, uid ${uid}: run as root or as that user`,
  );
}

// --- internal ---

async function end(programs: readonly Program[]): Promise<void> {
  for (const program of programs) signal(program, "SIGTERM");
  const exits = Promise.all(programs.map((program) => program.exited));
  await Promise.race([exits, Bun.sleep(END_BOUND_MS)]);
  for (const program of programs) signal(program, "SIGKILL");
  await exits;
}

/** It leads a session of its own. */
function signal(program: Program, name: NodeJS.Signals): void {
  try {
    process.kill(-program.pid, name);
  } catch {
    // It is gone.
  }
}
