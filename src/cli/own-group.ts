// SPDX-License-Identifier: MIT
/** The group that reprieve makes for CMD. */

import { join } from "node:path";
import { readIfThere, whyNotWritable } from "../cgroup/files.ts";
import { allAbove, emptyGroup, homeOf, makeGroup, removeGroup } from "../cgroup/group.ts";
import { type Hierarchy, refusal, requireMemory } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { bytes } from "../shown.ts";
import { say } from "./output.ts";

const LIMIT_SHARE_OF_AVAILABLE = 0.9;
/**
 * With a cold page cache `armed` comes after 0.3 s with 128 MiB, 0.4 with 96, 1 with 80, 2.4 with 72, 7 with 64 and not in 20 with 48: below
 * 80 the text that is run does not stay there (measured, where the disk is read 8 MB ahead).
 */
const LEAST_OWN_LIMIT_BYTES = 80 * 2 ** 20;
/** In less the 105 MB of our file that a start reads (agent/footprint.ts) are half of it; our own service has twice as much. */
const SMALL_LIMIT_BYTES = 256 * 2 ** 20;

interface Needs {
  readonly options: { readonly name?: string; readonly limit?: number };
  readonly memory: Hierarchy;
  readonly undo: AsyncDisposableStack;
}

/** The memory hierarchy, and our place in it: with enough memory, and in a container out of the way of the group for CMD. */
export function demandPlace(hasCommand: boolean): Hierarchy {
  let memory = requireMemory();
  if (hasCommand && process.pid === 1) {
    kindOf(memory).makeRoom(memory);
    memory = requireMemory(); // it may have moved us
  }
  const { group, limitBytes } = ownLimit(memory);
  if (limitBytes >= LEAST_OWN_LIMIT_BYTES) return memory;
  const where = group === memory.own ? "in which we are" : `in which we are, in ${memory.own},`;
  throw new CliError(
    exit.host,
    `${group}, ${where} ourselves, has a limit of ${bytes(limitBytes)}, and below ${bytes(LEAST_OWN_LIMIT_BYTES)} ` +
      "reprieve cannot be relied on: give it 128 MiB, and with a CMD what that needs besides",
  );
}

/** The pages of our file count there: a small limit, or, as in a container, one that we do not see. */
export function isSmallPlace(memory: Hierarchy): boolean {
  return !memory.showsUs || ownLimit(memory).limitBytes < SMALL_LIMIT_BYTES;
}

/** The directory in which the group for CMD is made. */
export function demandHome(memory: Hierarchy): string {
  const home = homeOf(memory);
  if (home !== undefined) return home;
  const cannot = `cannot make a group in ${memory.root}, we are in ${memory.own}`;
  const errno = whyNotWritable(memory.root);
  if (errno === "EROFS") throw refusal(cannot, errno, memory.root);
  throw new CliError(exit.notPermitted, `${cannot}: ${kindOf(memory).whyNoHome(memory)}`);
}

/** Makes the group for CMD; what is in it at the end is killed with it. */
export function makeOwnGroup(
  { options, memory, undo }: Needs,
  home: string,
  defaultName: string,
): string {
  const path = join(home, `reprieve-${options.name ?? defaultName}`);
  const limitBytes = options.limit ?? defaultLimit(memory);
  makeGroup(kindOf(memory), path, limitBytes);
  undo.defer(async () => {
    await emptyGroup(path, []);
    if (!(await removeGroup(path))) say(`cannot remove ${path}: it is still busy`);
  });
  if (options.limit === undefined)
    say(`no --limit given: ${bytes(limitBytes)}, 90 % of what is free`);
  return path;
}

// --- internal ---

/** The least of the group we live in, which makeRoom() may have made, and of all above it, as far as we see; and whose it is. */
function ownLimit(memory: Hierarchy): { readonly group: string; readonly limitBytes: number } {
  const { root, own, showsUs } = memory;
  const groups = showsUs ? [own, ...allAbove(own)].filter((group) => isIn(group, root)) : [];
  return groups
    .map((group) => ({ group, limitBytes: kindOf(memory).limitOf(group) ?? Infinity }))
    .reduce((least, one) => (one.limitBytes < least.limitBytes ? one : least), {
      group: own,
      limitBytes: Infinity,
    });
}

function isIn(group: string, root: string): boolean {
  return `${group}/`.startsWith(`${root}/`);
}

function defaultLimit(memory: Hierarchy): number {
  const meminfo = readIfThere("/proc/meminfo") ?? "";
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const free = Math.min(available, kindOf(memory).roomOf(memory));
  const page = 4096;
  return Math.floor((free * LIMIT_SHARE_OF_AVAILABLE) / page) * page;
}
