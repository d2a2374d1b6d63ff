// SPDX-License-Identifier: MIT
/** Runs the binary as a user without rights. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import type { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { binary, programOf } from "./paths.ts";
import { type Ended, Reprieve } from "./reprieve.ts";
import { until } from "./wait.ts";

/** Nobody's, on every distribution. */
export const UID = 12345;
/** No exit code, in Ended. */
const KILLED = 128;

/**
 * From a copy where that user may read it; the checkout may be closed to others. `group`: in that group, which is
 * delegated to the user.
 */
export async function endsAsUser(args: readonly string[], group?: Group): Promise<Ended> {
  const folder = mkdtempSync("/var/tmp/reprieve-test-");
  try {
    chmodSync(folder, 0o755);
    copyFileSync(binary, `${folder}/reprieve`);
    const XDG_RUNTIME_DIR = `${folder}/run`;
    mkdirSync(XDG_RUNTIME_DIR, { mode: 0o700 });
    chownSync(XDG_RUNTIME_DIR, UID, UID);
    const drop = [programOf("setpriv"), `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
    const command = [...(group ? enter(group) : []), ...drop, `${folder}/reprieve`];
    const ended = await Reprieve.ends(args, { command, env: { XDG_RUNTIME_DIR } });
    // The helpers of an agent that was killed end after it, and leave its base directory to the next start.
    const left = () => readdirSync(XDG_RUNTIME_DIR, { recursive: true });
    await until("the user's run directory to be empty", () =>
      left().every((name) => ended.code === KILLED && name === "reprieve"),
    );
    return ended;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** With what a user may lock by default on many hosts. On v2 a group with processes has no groups with limits below. */
function enter(group: Group): string[] {
  const home = memory.version === 1 ? group : group.child("inner");
  for (const { path } of new Set([group, home])) {
    for (const file of ["", ...readdirSync(path)]) chownSync(`${path}/${file}`, UID, UID);
  }
  const script = 'echo 0 > "$0/cgroup.procs" && ulimit -l 8192 && exec "$@"';
  return ["sh", "-c", script, home.path];
}
