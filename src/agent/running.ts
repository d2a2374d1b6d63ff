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
import { visible } from "../shown.ts";
import { isOursAlone, runBases } from "./run-dir.ts";

/** The reprieve that guards a group, and what it knows. */
export interface Guardian {
  readonly pid: number;
  readonly view: RegionView;
  /** Its guard of the group. */
  readonly guard: number;
}

/** The reprieves of this user that run, as they are when first asked for. */
export class Guardians {
  readonly #core: Core;
  readonly #views = new Map<number, RegionView | undefined>();
  #locks: ReadonlyMap<string, { readonly pid: number; readonly path: string }> | undefined;

  constructor(core: Core) {
    this.#core = core;
  }

  /** All groups that they guard. */
  groups(): string[] {
    return [...this.#locked().values()].map(({ path }) => path).filter((path) => existsSync(path));
  }

  /** Undefined: no reprieve guards it. Throws where that one is not to be looked into. */
  of(path: string): Guardian | undefined {
    const id = lockOf(this.#core, join(path, kindOfGroup(path).switchFile));
    if (id === undefined) return undefined;
    const pid = this.#locked().get(id)?.pid;
    const view = pid === undefined ? undefined : this.#view(pid);
    const guard = view?.indexOf(path, statSync(path, { throwIfNoEntry: false })?.ino ?? 0);
    if (pid !== undefined && view !== undefined && guard !== undefined) return { pid, view, guard };
    throw new CliError(
      exit.notPermitted,
      `cannot look into the reprieve that guards ${visible(path)}: it is another user's or another container's, or has just ` +
        "begun or ended: ask there, or try again",
    );
  }

  // --- internal ---

  #locked() {
    this.#locks ??= new Map(
      [...new Set(runDirs("").map(({ name }) => Number.parseInt(name, 10)))].flatMap((pid) =>
        lockedBy(pid).map(({ id, path }) => [id, { pid, path }] as const),
      ),
    );
    return this.#locks;
  }

  #view(pid: number): RegionView | undefined {
    if (!this.#views.has(pid)) this.#views.set(pid, viewOf(this.#core, pid));
    return this.#views.get(pid);
  }
}

/** Where the reprieves of this user keep their files, but for ours. */
export function runDirs(ourName: string): { name: string; path: string }[] {
  return runBases()
    .filter((base) => existsSync(base) && isOursAlone(base))
    .flatMap((base) => namesIn(base).map((name) => ({ name, path: join(base, name) })))
    .filter(({ name }) => name !== ourName && /^\d+(-\d+)?$/.test(name));
}

export interface Configured {
  readonly pid: number;
  readonly file: string;
}

/** Those of this user that run with a config file. */
export function configuredOnes(): Configured[] {
  return runningDirs().flatMap(({ pid, path }) => {
    const file = lineIn(path, "config");
    return file === undefined ? [] : [{ pid, file }];
  });
}

/** A reprieve of this user that runs, and where it is asked. */
interface Serving {
  readonly pid: number;
  /** As their file `address` has them; none: it serves nothing. */
  readonly urls: readonly string[];
  readonly token: string | undefined;
}

export function servingOnes(): Serving[] {
  return runningDirs().map(({ pid, path }) => ({
    pid,
    urls: lineIn(path, "address")?.split("\n") ?? [],
    token: lineIn(path, "token"),
  }));
}

/** The groups whose lock a process holds; none where we may not look. */
export function lockedBy(pid: number): { id: string; path: string }[] {
  return filesOf(pid).flatMap(({ fd, file }) => {
    if (!SWITCH_FILES.includes(basename(file))) return [];
    const info = readIfThere(`/proc/${pid}/fdinfo/${fd}`) ?? "";
    const id = idIfOpen(`/proc/${pid}/fd/${fd}`);
    const isLock = /^lock:.* OFDLCK .* WRITE /m.test(info);
    return isLock && id !== undefined ? [{ id, path: dirname(file) }] : [];
  });
}

/** Of a switch, as lockedBy() has it. */
export function idOf(file: string): string {
  const { dev, ino } = statSync(file);
  return `${dev}:${ino}`;
}

// --- internal ---

/** The process id of a dead one may be another's by now, or of another pid namespace. */
function runningDirs(): { readonly pid: number; readonly path: string }[] {
  return runDirs("")
    .map(({ name, path }) => ({ pid: Number.parseInt(name, 10), path }))
    .filter(({ pid, path }) => hasOpen(pid, join(path, "ledger")));
}

function lineIn(dir: string, name: string): string | undefined {
  return readIfThere(join(dir, name))?.replace(/\n$/, "");
}

function hasOpen(pid: number, file: string): boolean {
  const dir = `/proc/${pid}/fd`;
  try {
    const id = idOf(file);
    return readdirSync(dir).some((fd) => idOf(join(dir, fd)) === id);
  } catch {
    return false; // it is gone, or closed one meanwhile
  }
}

/** Of a switch that somebody has locked, what lockedBy() calls it. */
function lockOf(core: Core, file: string): string | undefined {
  const fd = openIfThere(file);
  if (fd === undefined) return undefined; // it is gone, or no memory group
  try {
    const { dev, ino } = fstatSync(fd);
    return core.isLocked(fd) ? `${dev}:${ino}` : undefined;
  } finally {
    closeSync(fd);
  }
}

/** What a process has open; it may close some of that meanwhile. */
function filesOf(pid: number): { fd: string; file: string }[] {
  const dir = `/proc/${pid}/fd`;
  return namesIn(dir).flatMap((fd) => {
    try {
      return [{ fd, file: readlinkSync(join(dir, fd)) }];
    } catch {
      return [];
    }
  });
}

function idIfOpen(file: string): string | undefined {
  const info = statSync(file, { throwIfNoEntry: false });
  return info && `${info.dev}:${info.ino}`;
}

/** A base goes with the last agent, a process whenever it likes, or it is not ours to look at. */
function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** A memfd, or a file that outlives its reprieve (agent/kept.ts). */
const REGION = /^\/memfd:reprieve-region|\/region-[0-9a-v]+$/;

/** Undefined: it has just ended. */
function viewOf(core: Core, pid: number): RegionView | undefined {
  const region = filesOf(pid).find(({ file }) => REGION.test(file));
  const fd = region && openIfThere(`/proc/${pid}/fd/${region.fd}`);
  if (fd === undefined) return undefined;
  try {
    const buffer = core.viewRegion(fd);
    if (buffer !== undefined) return new RegionView(core, buffer);
  } finally {
    closeSync(fd);
  }
  throw new CliError(exit.inUse, `reprieve ${pid} is of another version: use its own binary`);
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch {
    return undefined;
  }
}
