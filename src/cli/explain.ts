// SPDX-License-Identifier: MIT
/** `reprieve explain`: what would be done at a group's OOM, by which rule, and to whom. Changes nothing. */

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Guardians } from "../agent/running.ts";
import { readIfThere } from "../cgroup/files.ts";
import { resolveGroup, treeOf } from "../cgroup/group.ts";
import { groupIn, type Hierarchy, requireMemory } from "../cgroup/hierarchy.ts";
import { DEFAULT_FILE } from "../config/load.ts";
import { CliError, exit } from "../errors.ts";
import { openCore } from "../native/core.ts";
import { limit } from "../native/layout.ts";
import { below, OURS, readPolicy } from "./configured.ts";
import { explanationLines, shortLine } from "./explain-text.ts";
import { explainAll, type File, type Plan, planOf } from "./explained.ts";
import { print, say } from "./output.ts";
import { visible } from "./timeline.ts";

export interface ExplainOptions {
  readonly config?: string;
  readonly json?: true;
}

/** `target`: a guard's name, a group or a process id; undefined: all that is guarded, or would be. */
export async function explain(target: string | undefined, options: ExplainOptions) {
  const memory = requireMemory();
  const core = openCore();
  const file = fileOf(options, memory);
  const guardians = new Guardians(core);
  const { paths, pid, isOne } = findTarget(guardians, memory, target, file);
  const plan = (path: string) => planOf(guardians, memory, path, file);
  const plans = isOne ? paths.map(plan) : paths.flatMap((path) => attempted(() => plan(path)));
  const all = await explainAll(core, memory, plans, file, pid);
  await print(
    all.map((one) => {
      if (options.json) return JSON.stringify(one);
      return isOne ? explanationLines(one).join("\n") : shortLine(one);
    }),
  );
  return exit.ok;
}

/** The config file that is given, or the default one where that is there. */
export function fileOf({ config }: ExplainOptions, memory: Hierarchy): File | undefined {
  if (config === undefined && !existsSync(DEFAULT_FILE)) return undefined;
  const { config: read, ...rest } = readPolicy(config ?? DEFAULT_FILE, memory);
  return { ...rest, names: read.guard.map(({ name }) => name), hostHour: read.caps.hour };
}

/** The groups of a guard that are there, or the one that is named. */
export function findGroups(
  memory: Hierarchy,
  target: string,
  file: File | undefined,
  cannot: string,
): string[] {
  if (file?.names.includes(target)) {
    const paths = guardedBy(memory, file, target);
    if (paths.length > 0) return paths;
    throw new CliError(exit.noGroup, `no group matches guard ${target}, or others decide for all`);
  }
  // As a config file has it, or as --cgroup does.
  const byFile = join(memory.root, target);
  const isByFile = target.startsWith("/") && !existsSync(target) && existsSync(byFile);
  const path = resolveGroup(memory, isByFile ? byFile : target, cannot);
  if (isShort(path)) return [path];
  const most = limit.PATH_BYTES - 1;
  throw new CliError(
    exit.usage,
    `cannot explain ${visible(path)}: its path has over ${most} bytes`,
  );
}

/** The groups for which the file's guards decide, or the one that is named. */
export function guardedBy(memory: Hierarchy, { policy }: File, name?: string): string[] {
  return treeOf(memory.root).filter((path) => {
    const guard = path === memory.root ? undefined : policy.guardOf(below(memory, path));
    const isMeant = guard !== undefined && (name === undefined || guard.name === name);
    return isMeant && isShort(path) && !OURS.test(path);
  });
}

// --- internal ---

/** Of several groups, one that is gone, or whose reprieve cannot be looked into, is said and left out. */
function attempted(plan: () => Plan): Plan[] {
  try {
    return [plan()];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    say(visible(error.message));
    return [];
  }
}

interface Target {
  readonly paths: readonly string[];
  readonly pid?: number;
  /** All of it is told. */
  readonly isOne: boolean;
}

function findTarget(
  guardians: Guardians,
  memory: Hierarchy,
  target: string | undefined,
  file?: File,
): Target {
  if (target === undefined) {
    const paths = new Set([...guardians.groups(), ...(file ? guardedBy(memory, file) : [])]);
    if (paths.size > 0) return { paths: [...paths], isOne: false };
    const why = file === undefined ? "and there is no config file: give --config FILE" : "";
    throw new CliError(exit.noGroup, `no group is guarded, ${why || "and none matches a guard"}`);
  }
  if (/^\d+$/.test(target) && !file?.names.includes(target)) {
    return { ...processTarget(guardians, memory, Number(target), file), isOne: true };
  }
  const paths = findGroups(memory, target, file, "cannot explain");
  return { paths, isOne: paths.length === 1 };
}

/** The guarded groups that a process, or a thread of it, lives in or below. */
function processTarget(
  guardians: Guardians,
  memory: Hierarchy,
  pid: number,
  file: File | undefined,
) {
  const lists = [`/proc/${pid}/cgroup`, ...threadsOf(pid)].flatMap((one) => readIfThere(one) ?? []);
  if (lists.length === 0) throw new CliError(exit.noGroup, `there is no process ${pid}`);
  const groups = [...new Set(lists.flatMap((list) => groupIn(list) ?? []))];
  const above = new Set(groups.flatMap((group) => upTo(memory.root, group)));
  const isGuarded = (path: string) =>
    file?.policy.guardOf(below(memory, path)) !== undefined || guardians.of(path) !== undefined;
  const paths = [...above].filter((path) => existsSync(path) && isShort(path) && isGuarded(path));
  if (paths.length > 0) return { paths, pid };
  const where = groups.map((group) => visible(below(memory, group))).join(", ");
  const comm = visible(readIfThere(`/proc/${pid}/comm`)?.trimEnd() ?? "");
  throw new CliError(exit.noGroup, `${comm} (${pid}) is in ${where}, which nobody guards`);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}/cgroup`);
  } catch {
    return []; // it is gone
  }
}

/** The group and those above it, without the root. */
function upTo(root: string, group: string): string[] {
  const all: string[] = [];
  for (let path = group; path.startsWith(`${root}/`); path = dirname(path)) all.push(path);
  return all;
}

function isShort(path: string): boolean {
  return Buffer.byteLength(path) < limit.PATH_BYTES;
}
