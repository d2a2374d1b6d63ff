// SPDX-License-Identifier: MIT
/** Runs the binary as a user without rights. */
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { makeFolder, removeFolder } from "./folder.ts";
import type { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { binary, programOf } from "./paths.ts";
import { type Ended, Reprieve } from "./reprieve.ts";
import { until } from "./wait.ts";

/** Nobody's, on every distribution. */
export const UID = 12345;
/** No exit code, in Ended. */
const KILLED = 128;

/** How a program is run as that user. */
export interface AsUser {
  readonly command: readonly string[];
  readonly env: { readonly XDG_RUNTIME_DIR: string };
  /** Of what its folder holds. */
  remove(): void;
}

const SET_USER = ["--reuid", UID, "--regid", UID].map(String);

/** The user's id for what `sh` is to start. */
export const setUser = () => [programOf("setpriv"), ...SET_USER, "--clear-groups"];

/**
 * From a copy where that user may read it; the checkout may be closed to others. `group`: in that group, which is
 * delegated to the user. `through`: a program that starts it.
 */
export function asUser(group?: Group, through: readonly string[] = []): AsUser {
  const folder = makeFolder("test", "/var/tmp");
  chmodSync(folder, 0o755);
  copyFileSync(binary, `${folder}/reprieve`);
  const XDG_RUNTIME_DIR = `${folder}/run`;
  mkdirSync(XDG_RUNTIME_DIR, { mode: 0o700 });
  chownSync(XDG_RUNTIME_DIR, UID, UID);
  return {
    command: [...(group ? enter(group) : []), ...setUser(), ...through, `${folder}/reprieve`],
    env: { XDG_RUNTIME_DIR },
    remove: () => removeFolder(folder),
  };
}

export async function endsAsUser(
  args: readonly string[],
  group?: Group,
  through: readonly string[] = [],
): Promise<Ended> {
  const { command, env, remove } = asUser(group, through);
  try {
    const ended = await Reprieve.ends(args, { command, env: { ...env } });
    // The helpers of an agent that was killed end after it, and leave its base directory to the next start.
    const left = () => readdirSync(env.XDG_RUNTIME_DIR, { recursive: true });
    await until("the user's run directory to be empty", () =>
      left().every((name) => ended.code === KILLED && name === "reprieve"),
    );
    return ended;
  } finally {
    remove();
  }
}

/** A group becomes the user's, with all its files. */
export function giveToUser({ path }: Group): void {
  for (const file of ["", ...readdirSync(path)]) chownSync(`${path}/${file}`, UID, UID);
}

/** With what a user may lock by default on many hosts. On v2 a group with processes has no groups with limits below. */
function enter(group: Group): string[] {
  const home = memory.version === 1 ? group : group.child("inner");
  for (const one of new Set([group, home])) giveToUser(one);
  const script = 'echo 0 > "$0/cgroup.procs" && ulimit -l 8192 && exec "$@"';
  return ["sh", "-c", script, home.path];
}
