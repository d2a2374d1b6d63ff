// SPDX-License-Identifier: MIT
/**
 * Which reprieve guards a group: told by the lock on its switch (cgroup/kind.ts), as the kernel shows it of a process.
 * Nobody can forge that.
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { readIfThere } from "../cgroup/files.ts";
import { kindOfGroup, SWITCH_FILES } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import type { Core } from "../native/core.ts";
import { RegionView } from "../native/region-view.ts";
import { isOursAlone, runBases } from "./run-dir.ts";

/** The reprieve that guards a group, and what it knows. */
export interface Guardian {
  readonly pid: number;
  readonly view: RegionView;
  /** Its guard of the group. */
  readonly guard: number;
}

/** Undefined: no reprieve guards it. Throws where that one is not to be looked into. */
export function findGuardian(core: Core, path: string): Guardian | undefined {
  const id = lockOf(core, join(path, kindOfGroup(path).switchFile));
  if (id === undefined) return undefined;
  const pid = runDirs("")
    .map(({ name }) => Number.parseInt(name, 10))
    .find((one) => lockedBy(one).some((group) => group.id === id));
  const view = pid === undefined ? undefined : viewOf(core, pid);
  const guard = view?.indexOf(path, statSync(path, { throwIfNoEntry: false })?.ino ?? 0);
  if (pid !== undefined && view !== undefined && guard !== undefined) return { pid, view, guard };
  throw new CliError(
    exit.notPermitted,
    `cannot look into the reprieve that guards ${path}: it is another user's or another container's, or has just ` +
      "ended: ask there, or try again",
  );
}

/** All groups that the reprieves of this user guard. */
export function guardedNow(): string[] {
  const pids = new Set(runDirs("").map(({ name }) => Number.parseInt(name, 10)));
  return [...pids].flatMap((pid) => lockedBy(pid).map(({ path }) => path)).filter(existsSync);
}

/** Where the reprieves of this user keep their files, but for ours. */
export function runDirs(ourName: string): { name: string; path: string }[] {
  return runBases()
    .filter((base) => existsSync(base) && isOursAlone(base))
    .flatMap((base) => namesIn(base).map((name) => ({ name, path: join(base, name) })))
    .filter(({ name }) => name !== ourName && /^\d+(-\d+)?$/.test(name));
}

/** The groups whose lock a process holds; none where we may not look. */
export function lockedBy(pid: number): { id: string; path: string }[] {
  const dir = `/proc/${pid}/fd`;
  try {
    return readdirSync(dir).flatMap((fd) => {
      const file = readlinkSync(join(dir, fd));
      const info = readIfThere(`/proc/${pid}/fdinfo/${fd}`) ?? "";
      const isLock =
        SWITCH_FILES.includes(basename(file)) && /^lock:.* OFDLCK .* WRITE /m.test(info);
      return isLock ? [{ id: idOf(join(dir, fd)), path: dirname(file) }] : [];
    });
  } catch {
    return []; // it is gone, or closed one meanwhile
  }
}

/** Of a switch, as lockedBy() has it. */
export function idOf(file: string): string {
  const { dev, ino } = statSync(file);
  return `${dev}:${ino}`;
}

// --- internal ---

/** Of a switch that somebody has locked, what lockedBy() calls it. */
function lockOf(core: Core, file: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return undefined; // it is gone, or no memory group
  }
  try {
    const { dev, ino } = fstatSync(fd);
    return core.isLocked(fd) ? `${dev}:${ino}` : undefined;
  } finally {
    closeSync(fd);
  }
}

/** A directory goes with the last agent. */
function namesIn(base: string): string[] {
  try {
    return readdirSync(base);
  } catch {
    return [];
  }
}

/** Undefined: it has just ended. */
function viewOf(core: Core, pid: number): RegionView | undefined {
  const dir = `/proc/${pid}/fd`;
  let fd: number;
  try {
    const name = readdirSync(dir).find((one) =>
      readlinkSync(join(dir, one)).startsWith("/memfd:reprieve-region"),
    );
    if (name === undefined) return undefined;
    fd = openSync(join(dir, name), "r");
  } catch {
    return undefined;
  }
  try {
    const buffer = core.viewRegion(fd);
    if (buffer !== undefined) return new RegionView(core, buffer);
  } finally {
    closeSync(fd);
  }
  throw new CliError(exit.inUse, `reprieve ${pid} is of another version: use its own binary`);
}
