// SPDX-License-Identifier: MIT
/** The socket at which handlers designate themselves. It is ours, so that it outlives a door (native/door.c) that dies. */

import { chmodSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CliError, exit } from "../errors.ts";
import { type Core, NativeError } from "../native/core.ts";
import { runBases } from "./run-dir.ts";

const NAME = "handler.sock";
/** Who may is decided by the door. */
const DEFAULT_MODE = 0o666;
/** Others may go through to the socket, and list nothing. */
const BASE_MODE = 0o711;

interface Needs {
  readonly options: {
    readonly handlerSocket?: string;
    readonly handlerMode?: number;
    readonly replace?: true | number;
  };
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
}

/** Where a client finds it: this user's own, root's. */
export function defaultSockets(): string[] {
  const bases = new Set([...runBases(), ...runBases(0)]);
  return [...bases].map((base) => join(base, NAME));
}

export interface Door {
  readonly path: string;
  readonly listener: number;
  /** With --replace, when the old reprieve has ended: the socket gets its name. Says why where it cannot. */
  readonly takeName: () => string | undefined;
}

/** Listens, and removes the socket in the end; `base`: where it is unless another path was given. */
export function openDoor({ options, core, undo }: Needs, base: string): Door {
  const { handlerSocket: path = join(base, NAME), handlerMode = DEFAULT_MODE } = options;
  if (options.handlerSocket === undefined) chmodSync(base, BASE_MODE);
  let now = options.replace ? `${path}.${process.pid}` : path;
  const listener = telling(path, () => core.listen(dirname(path), basename(now), handlerMode));
  const { ino } = statSync(now);
  undo.defer(() => {
    if (statSync(now, { throwIfNoEntry: false })?.ino === ino) rmSync(now);
  });
  const takeName = () => {
    if (now === path) return undefined;
    try {
      telling(path, () => core.renameListener(dirname(path), basename(now), basename(path)));
    } catch (error) {
      if (error instanceof CliError) return error.message;
      throw error;
    }
    now = path;
    return undefined;
  };
  return { path, listener, takeName };
}

// --- internal ---

/** With the sentence that a person can do something about. */
function telling<T>(path: string, act: () => T): T {
  const dir = dirname(path);
  try {
    return act();
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    const cannot = `cannot listen for handlers at ${path}`;
    switch (error.errno) {
      case "EADDRINUSE":
      case "EAGAIN":
        throw new CliError(exit.inUse, `${cannot}: another reprieve does, give --handler-socket`);
      case "EEXIST":
        throw new CliError(exit.cannotCreate, `${cannot}: something that is no socket is there`);
      case "EPERM":
        throw new CliError(
          exit.unsafe,
          `${cannot}: others may write to ${dir}, and could take its place`,
        );
      case "ENOENT":
        throw new CliError(exit.cannotCreate, `${cannot}: there is no directory ${dir}`);
      default:
        throw new CliError(exit.cannotCreate, `${cannot}: ${error.errno}`);
    }
  }
}
