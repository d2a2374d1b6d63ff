// SPDX-License-Identifier: MIT
/** The group that reprieve makes for CMD. */

import { join } from "node:path";
import { readIfThere, whyNotWritable } from "../cgroup/files.ts";
import { emptyGroup, homeOf, makeGroup, removeGroup } from "../cgroup/group.ts";
import { type Hierarchy, refusal } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { say } from "./output.ts";
import { bytes } from "./timeline.ts";

const LIMIT_SHARE_OF_AVAILABLE = 0.9;

interface Needs {
  readonly options: { readonly name?: string; readonly limit?: number };
  readonly memory: Hierarchy;
  readonly undo: AsyncDisposableStack;
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

function defaultLimit(memory: Hierarchy): number {
  const meminfo = readIfThere("/proc/meminfo") ?? "";
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const free = Math.min(available, kindOf(memory).roomOf(memory));
  const page = 4096;
  return Math.floor((free * LIMIT_SHARE_OF_AVAILABLE) / page) * page;
}
