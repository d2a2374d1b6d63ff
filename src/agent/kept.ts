// SPDX-License-Identifier: MIT
/**
 * What outlives an agent that is killed: its region as a file, and the spool, what it has read of it and the journal has not yet
 * (journal/spool.ts). Both lie beside the run directories, so that neither a release nor another start removes them. The
 * region's lock is held by whoever of the agent and its helpers lives.
 */

import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Core, RegionParts } from "../native/core.ts";
import { isOursAlone, runBases } from "./run-dir.ts";

/** Pages of other file systems are written back: a helper that writes to one may have to wait for the disk. */
const TMPFS_MAGIC = 0x0102_1994;
const RUN_BITS = 50n;

interface Keeping {
  readonly core: Core;
  /** undefined: nowhere. */
  readonly keepIn?: string | undefined;
  readonly say: (text: string) => void;
}

export const LOST_WITH_US =
  "incidents that are not in the journal yet are lost with an agent that is killed";

/** A directory of ours alone in memory; undefined: there is none. */
export function keepingDir(bases: readonly string[] = runBases()): string | undefined {
  return bases.find((base) => {
    try {
      mkdirSync(base, { recursive: true, mode: 0o700 });
      return isOursAlone(base) && statfsSync(base).type === TMPFS_MAGIC;
    } catch {
      return false;
    }
  });
}

/** As a file where incidents are to be kept. */
export function createRegion(
  { core, keepIn, say }: Keeping,
  guards: number,
  parts: RegionParts,
): number {
  const [word = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  const run = word >> (64n - RUN_BITS);
  const memfd = () => core.createRegion(guards, process.pid, parts, { run });
  if (keepIn === undefined) return memfd();
  try {
    const file = regionFile(keepIn, run.toString(32));
    return core.createRegion(guards, process.pid, parts, { run, file });
  } catch (error) {
    say(`${(error as Error).message} in ${keepIn}: ${LOST_WITH_US}`);
    return memfd();
  }
}

export function regionFile(dir: string, run: string): string {
  return join(dir, `region-${run}`);
}

export function spoolFile(dir: string, run: string): string {
  return join(dir, `spool-${run}`);
}
