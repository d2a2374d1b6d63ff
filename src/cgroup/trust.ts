// SPDX-License-Identifier: MIT
/** Whom reprieve trusts with what it acts by: the user who runs it, and root. */

import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "./files.ts";

/** Who else could change what is in there. */
export function whyUntrusted(path: string, { uid, mode }: { uid: number; mode: number }): string[] {
  if (uid !== 0 && uid !== process.getuid?.()) {
    return [`${path} is another user's, of uid ${uid}: chown it`];
  }
  return (mode & 0o022) === 0 ? [] : [`others may write to ${path}: chmod go-w it`];
}

/** Why a program is not run by reprieve; undefined: it is. Whoever may rename what it lies in may replace it. */
export function whyNotRun(
  program: string,
): { errno: "ENOENT" | "EACCES"; why: string } | undefined {
  try {
    const real = realpathSync(program);
    if (real !== program)
      return { errno: "EACCES", why: `there is a link in its path: give ${real}` };
    if (!statSync(program).isFile()) return { errno: "EACCES", why: "it is no regular file" };
    accessSync(program, constants.X_OK);
  } catch (error) {
    const errno = codeOf(error);
    if (errno === "EACCES") return { errno, why: "it is not executable" };
    return { errno: "ENOENT", why: errno === "ENOENT" ? "there is no such program" : errno };
  }
  const [why] = withParents(program).flatMap((path) => whyUntrusted(path, statSync(path)));
  return why === undefined ? undefined : { errno: "EACCES", why };
}

// --- internal ---

function withParents(path: string): string[] {
  return path === "/" ? [path] : [path, ...withParents(dirname(path))];
}
