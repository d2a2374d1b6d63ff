// SPDX-License-Identifier: MIT
/** What doctor finds when it holds a config file against this host: groups, orders, powers, swap. Changes nothing. */

import { join } from "node:path";
import { Guardians } from "../agent/running.ts";
import { readIfThere } from "../cgroup/files.ts";
import { processesOf } from "../cgroup/group.ts";
import { type Hierarchy, wordsOf } from "../cgroup/hierarchy.ts";
import { load } from "../config/load.ts";
import { lineOf } from "../config/mistakes.ts";
import { isExact } from "../config/pattern.ts";
import { listOf } from "../config/policy.ts";
import type { Guard } from "../config/schema.ts";
import { CliError } from "../errors.ts";
import type { Core } from "../native/core.ts";
import { below } from "./configured.ts";
import { type Plan, planOf, specOfPlan } from "./explained.ts";
import { warningsOf } from "./orders.ts";
import { type File, guardedBy, readFile } from "./policy-files.ts";
import { type Check, check } from "./proof-scene.ts";

export interface ConfigChecks {
  readonly checks: readonly Check[];
  /** The groups that its guards decide for. */
  readonly groups: readonly string[];
}

export function configChecks(core: Core, memory: Hierarchy, path: string): ConfigChecks {
  const { mistakes, untrusted, config } = load(path);
  const [why] = [...untrusted.map((one) => `refused: ${one}`), ...mistakes.map(lineOf)];
  const file = why === undefined ? readFile(path, memory) : undefined;
  if (config === undefined || file === undefined) {
    const count = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more: reprieve check)` : "";
    return { checks: [check("config file", "no", `${why}${count}`)], groups: [] };
  }
  const groups = guardedBy(memory, file);
  const guardians = new Guardians(core);
  const plans = groups.flatMap((group) => planned(guardians, memory, group, file));
  return {
    checks: [
      check("config file", "ok", path),
      ...config.guard.map((guard) => guardCheck(memory, guard, file, plans)),
      ...powerChecks(file, plans),
      swapCheck(memory, groups),
      ...immuneChecks(memory, groups),
    ],
    groups,
  };
}

// --- internal ---

/** One that is another user's is guarded there. */
function planned(guardians: Guardians, memory: Hierarchy, group: string, file: File): Plan[] {
  try {
    return [planOf(guardians, memory, group, file)];
  } catch (error) {
    if (error instanceof CliError) return [];
    throw error;
  }
}

/** Where a group cannot be guarded that it names, run does not start. */
function guardCheck(
  memory: Hierarchy,
  guard: Guard,
  { policy, whyNotStarted }: File,
  plans: readonly Plan[],
): Check {
  const name = `guard ${guard.name}`;
  const why = whyNotStarted(guard);
  if (why !== undefined) return check(name, "no", why);
  const exact = listOf(guard.cgroup).filter(isExact);
  const decides = (path: string) => policy.guardOf(path)?.name === guard.name;
  const mine = plans.filter(({ path }) => decides(below(memory, path)));
  const missing = exact.find(
    (one) => decides(one) && !mine.some(({ path }) => below(memory, path) === one),
  );
  if (missing !== undefined) return check(name, "no", `there is no group ${missing}`);
  const bad = mine.filter(({ byFile }) => byFile?.whyNot !== undefined);
  const named = bad.find(({ path }) => exact.includes(below(memory, path)));
  const [first] = named === undefined ? bad : [named];
  if (first !== undefined) {
    const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : "";
    return check(name, named ? "no" : "note", `${first.byFile?.whyNot}${more}`);
  }
  if (mine.length === 0) return check(name, "note", "it decides for no group that is there now");
  return check(name, "ok", counted(mine.map(({ path }) => below(memory, path))));
}

function powerChecks({ settingsOf }: File, plans: readonly Plan[]): Check[] {
  const ordered = plans.map((plan) => {
    const { orders, decided } = settingsOf(plan.path);
    const { name, orders: given } = plan.byFile?.spec ?? specOfPlan(plan);
    const { granted, handler } = orders;
    return { name, orders: given, granted, handler, decided };
  });
  return warningsOf(ordered, false).map((line) => check("powers", "note", line));
}

/** A leaker whose swap is not limited fills that first, and the whole host is slow. */
function swapCheck(memory: Hierarchy, groups: readonly string[]): Check {
  const total = /^SwapTotal:\s+(\d+)/m.exec(readIfThere("/proc/meminfo") ?? "")?.[1] ?? "0";
  if (total === "0") return check("swap", "ok", "this host has none");
  const open = groups.filter((path) => (memory.version === 1 ? hasSwapOfV1 : hasSwapOfV2)(path));
  if (open.length === 0) return check("swap", "ok", "no guarded group has any");
  const remedy =
    memory.version === 1
      ? "give memory.memsw.limit_in_bytes the limit of its memory"
      : "write 0 to its memory.swap.max";
  const which = counted(open.map((path) => below(memory, path)));
  return check("swap", "note", `${which} can fill the host's swap before it is full: ${remedy}`);
}

function hasSwapOfV1(path: string): boolean {
  const [limit, both] = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"].map((file) =>
    Number(readIfThere(join(path, file)) ?? Number.POSITIVE_INFINITY),
  );
  return (both ?? 0) > (limit ?? 0);
}

function hasSwapOfV2(path: string): boolean {
  return readIfThere(join(path, "memory.swap.max"))?.trim() !== "0";
}

/** Groups of only such are refused (cgroup/group.ts: whyUnsafe()). */
function immuneChecks(memory: Hierarchy, groups: readonly string[]): Check[] {
  const isImmune = (pid: number) =>
    wordsOf(readIfThere(`/proc/${pid}/oom_score_adj`))[0] === "-1000";
  const holding = groups.filter((path) => processesOf(path).some(isImmune));
  if (holding.length === 0) return [];
  const which = counted(holding.map((path) => below(memory, path)));
  return [check("immune", "note", `${which} has processes of oom_score_adj -1000: never killed`)];
}

/** "/a", or "/a and 2 more". */
function counted([first = "", ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}
