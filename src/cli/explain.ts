// SPDX-License-Identifier: MIT
/** `reprieve explain`: what would be done at a group's OOM, by which rule, and to whom. Changes nothing. */

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Guardians } from "../agent/running.ts";
import { readIfThere } from "../cgroup/files.ts";
import { resolveGroup } from "../cgroup/group.ts";
import { groupIn, type Hierarchy, requireMemory } from "../cgroup/hierarchy.ts";
import { CliError, exit } from "../errors.ts";
import { openCore } from "../native/core.ts";
import { limit } from "../native/layout.ts";
import { visible } from "../shown.ts";
import { below } from "./configured.ts";
import { explanationLines, shortLine } from "./explain-text.ts";
import { explainAll, type Plan, planOf } from "./explained.ts";
import { print, say } from "./output.ts";
import { guardedBy, isShort, PolicyFiles } from "./policy-files.ts";

export interface ExplainOptions {
  readonly config?: string;
  readonly json?: true;
}

/** `target`: a guard's name, a group or a process id; undefined: all that is guarded, or would be. */
export async function explain(target: string | undefined, options: ExplainOptions) {
  const memory = requireMemory();
  const core = openCore();
  const guardians = new Guardians(core);
  const files = new PolicyFiles(memory, guardians, options.config);
  const { paths, pid, isOne } = findTarget(guardians, memory, target, files);
  const plan = (path: string) => planOf(guardians, memory, path, files.of(path));
  const plans = isOne ? paths.map(plan) : planned(paths, plan);
  const all = await explainAll(core, memory, plans, pid);
  await print(
    all.map((one) => {
      if (options.json) return JSON.stringify(one);
      return isOne ? explanationLines(one).join("\n") : shortLine(one);
    }),
  );
  return exit.ok;
}

/** The groups of a guard that are there, or the one that is named. */
export function findGroups(
  memory: Hierarchy,
  target: string,
  files: PolicyFiles,
  cannot: string,
): string[] {
  if (isGuard(target, files)) {
    const named = files.all.filter(({ names }) => names.includes(target));
    const paths = named.flatMap((file) =>
      guardedBy(memory, file, target).filter((path) => files.of(path) === file),
    );
    if (paths.length > 0) return paths;
    throw new CliError(
      exit.noGroup,
      `no cgroup matches guard ${target}, or other guards take them all`,
    );
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

// --- internal ---

/** One that is gone, or whose reprieve cannot be looked into, is left out; what is said of all of one reprieve's is said once. */
function planned(paths: readonly string[], plan: (path: string) => Plan): Plan[] {
  const why = new Set<string>();
  const plans = paths.flatMap((path) => {
    try {
      return [plan(path)];
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      why.add(error.message);
      return [];
    }
  });
  for (const message of why) say(visible(message));
  return plans;
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
  files: PolicyFiles,
): Target {
  if (target === undefined) {
    const byFiles = files.all.flatMap((file) => guardedBy(memory, file));
    const paths = new Set([...guardians.groups(), ...byFiles]);
    if (paths.size > 0) return { paths: [...paths], isOne: false };
    const why = files.all.length === 0 ? "and there is no config file: give --config FILE" : "";
    throw new CliError(exit.noGroup, `no group is guarded, ${why || "and none matches a guard"}`);
  }
  if (/^\d+$/.test(target) && !isGuard(target, files)) {
    return { ...processTarget(guardians, memory, Number(target), files), isOne: true };
  }
  const paths = findGroups(memory, target, files, "cannot explain");
  return { paths, isOne: paths.length === 1 };
}

function isGuard(name: string, { all }: PolicyFiles): boolean {
  return all.some(({ names }) => names.includes(name));
}

/** The guarded groups that a process, or a thread of it, lives in or below. */
function processTarget(guardians: Guardians, memory: Hierarchy, pid: number, files: PolicyFiles) {
  const lists = [`/proc/${pid}/cgroup`, ...threadsOf(pid)].flatMap((one) => readIfThere(one) ?? []);
  if (lists.length === 0) throw new CliError(exit.noGroup, `there is no process ${pid}`);
  const groups = [...new Set(lists.flatMap((list) => groupIn(list) ?? []))];
  const above = new Set(groups.flatMap((group) => upTo(memory.root, group)));
  const isGuarded = (path: string) =>
    guardians.of(path) !== undefined ||
    files.of(path)?.policy.guardOf(below(memory, path)) !== undefined;
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
