// SPDX-License-Identifier: MIT
/** Writes the files of an installation, so that at no moment there is half of one, and says what it did. */

import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "../cgroup/files.ts";
import { CliError, exit } from "../errors.ts";
import type { Text } from "./files.ts";

/** False: it is there as it should be. */
export function writeText(path: string, { text }: Pick<Text, "text">): boolean {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return false;
  put(path, 0o644, (beside) => writeFileSync(beside, text, { flag: "wx" }));
  return true;
}

/** This program; false: it is that one, or the same bytes are there. */
export function writeProgram(path: string): boolean {
  const own = process.execPath;
  if (existsSync(path) && (isSame(own, path) || readFileSync(own).equals(readFileSync(path)))) {
    return false;
  }
  // Whoever runs the old one keeps it: it is another file.
  put(path, 0o755, (beside) => copyFileSync(own, beside, constants.COPYFILE_EXCL));
  return true;
}

/** With all below it; false: there is no such thing. */
export function remove(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    rmSync(path, { recursive: true });
    return true;
  } catch (error) {
    throw new CliError(exit.cannotCreate, `cannot remove ${path}: ${codeOf(error)}`);
  }
}

/** The same file, by whatever path. */
export function isSame(one: string, other: string): boolean {
  const [a, b] = [statSync(one), statSync(other)];
  return a.dev === b.dev && a.ino === b.ino;
}

// --- internal ---

/** Of a new file beside it: who may write to the directory has put nothing in its way. */
function put(path: string, mode: number, write: (beside: string) => void): void {
  const beside = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    rmSync(beside, { force: true });
    write(beside);
    chmodSync(beside, mode); // whatever the umask
    sync(beside);
    renameSync(beside, path);
  } catch (error) {
    if (existsSync(beside)) rmSync(beside);
    throw new CliError(exit.cannotCreate, `cannot write ${path}: ${codeOf(error)}`);
  }
}

/** Else a crash of the host may leave an empty file under the name. */
function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
