// SPDX-License-Identifier: MIT
/**
 * What outlives an agent that is killed: its region as a file, and the spool, what it has read of it and the journal has not yet
 * (journal/spool.ts). Both lie beside the run directories, so that neither a release nor another start removes them. The
 * region's lock is held by whoever of the agent and its helpers lives.
 */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Core, RegionParts } from "../native/core.ts";
import { isOursAlone, runBases } from "./run-dir.ts";

/** Pages of other file systems are written back: a helper that writes to one may have to wait for the disk. */
const TMPFS_MAGIC = 0x0102_1994;

interface Keeping {
  readonly core: Core;
  readonly run: string;
  /** undefined: nowhere. */
  readonly keepIn?: string | undefined;
  readonly say: (text: string) => void;
}

export const LOST_WITH_US =
  "incidents that are not in the journal yet are lost with an agent that is killed";

/** Where it is, or would be made; undefined: nowhere. */
export function baseInMemory(): string | undefined {
  return runBases().find((base) => {
    const place = [base, dirname(base)].find(existsSync);
    return place !== undefined && statfsSync(place).type === TMPFS_MAGIC;
  });
}

/** A directory of ours alone in memory; undefined: there is none. */
export function keepingDir(): string | undefined {
  const base = baseInMemory();
  if (base === undefined) return undefined;
  try {
    mkdirSync(base, { recursive: true, mode: 0o700 });
    return isOursAlone(base) ? base : undefined;
  } catch {
    return undefined;
  }
}

/** As a file where incidents are to be kept. */
export function createRegion(
  { core, run, keepIn, say }: Keeping,
  guards: number,
  parts: RegionParts,
): number {
  const memfd = () => core.createRegion(guards, process.pid, parts, { run });
  if (keepIn === undefined) return memfd();
  try {
    const file = regionFile(keepIn, run);
    // Whoever finds it by its name finds it locked.
    const fd = core.createRegion(guards, process.pid, parts, { run, file: `${file}.new` });
    renameSync(`${file}.new`, file);
    return fd;
  } catch (error) {
    say(`${(error as Error).message} in ${keepIn}: ${LOST_WITH_US}`);
    return memfd();
  }
}

export function regionFile(dir: string, run: string): string {
  return join(dir, `region-${run}`);
}

/** The base goes too when nothing else is in it. */
export function removeKept(dir: string, run: string): void {
  rmSync(regionFile(dir, run), { force: true });
  rmSync(spoolFile(dir, run), { force: true });
  try {
    rmdirSync(dir);
  } catch {
    // Another agent has its files there.
  }
}

/** Those of which there is something. */
export function runsIn(dir: string): string[] {
  const runs = readdirSync(dir).map((name) => /^(?:region|spool)-([0-9a-v]+)$/.exec(name)?.[1]);
  return [...new Set(runs.filter((run) => run !== undefined))];
}

export function spoolFile(dir: string, run: string): string {
  return join(dir, `spool-${run}`);
}
