// SPDX-License-Identifier: MIT
/**
 * Before the first hop: makes, reads, empties and removes a group.
 *
 * Reads and writes cgroup files only; never touches the switch of a group that is guarded: that is the watchers'
 * (native/watcher.c). Every wait has a bound.
 */

import { lstatSync, mkdirSync, readdirSync, realpathSync, rmdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { CliError, exit } from "../errors.ts";
import { codeOf, isWritable, readIfThere } from "./files.ts";
import { findMemory, findV1, findV2, type Hierarchy, refusal } from "./hierarchy.ts";
import { type Kind, kindOf, kindOfGroup } from "./kind.ts";

/** SIGKILL frees 2 GB in 60 ms; a bound for a busy machine, and for tasks in uninterruptible sleep. */
const EMPTY_BOUND_MS = 5000;
const EMPTY_TICK_MS = 5;

/** The directory in which reprieve makes its groups; undefined: it may not make any. */
export function homeOf(hierarchy: Hierarchy): string | undefined {
  return kindOf(hierarchy).homeOf(hierarchy);
}

/** Where the groups of an agent's helpers are made. */
export function helperGroups(name: string): string[] {
  return homes().map((home) => join(home, `reprieve-helpers-${name}`));
}

/** The memory group in which this process lives; "-" where there is no such thing, or we do not see it. */
export function ownGroup(): string {
  const memory = findMemory();
  return memory?.showsUs ? memory.own : "-";
}

/** All groups that an agent of this name may make by itself. */
export function ownGroups(name: string): string[] {
  const kinds = ["", "helpers-", "doctor-"];
  return homes().flatMap((home) => kinds.map((kind) => join(home, `reprieve-${kind}${name}`)));
}

/** The directory of an existing group, given as an absolute path or one relative to the hierarchy's root. */
export function resolveGroup(hierarchy: Hierarchy, given: string, cannot = "cannot guard"): string {
  const bad = (code: number, why: string) => new CliError(code, `${cannot} ${given}: ${why}`);
  const root = realpathSync(hierarchy.root);
  const asked = resolve(root, given.startsWith("/") ? given : `./${given}`);
  let path: string;
  try {
    path = realpathSync(asked);
  } catch {
    throw bad(exit.noGroup, `no such cgroup; lssubsys or ls ${root} shows what there is`);
  }
  const inside = relative(root, path);
  if (inside === "") {
    throw bad(exit.unsafe, "it is the root group, which has no limit: name a group below it");
  }
  if (inside.startsWith("..")) {
    throw bad(exit.noGroup, `it is not under the memory hierarchy at ${root}`);
  }
  if (!lstatSync(path).isDirectory()) {
    throw bad(exit.noGroup, "it is a file: name the group's directory");
  }
  return path;
}

/** Makes a group for CMD, with a limit on memory and, where swap is accounted, on that. */
export function makeGroup(kind: Kind, path: string, limitBytes: number): void {
  kind.prepareParent(dirname(path));
  mkdirGroup(path);
  try {
    kind.setLimit(path, limitBytes);
  } catch (error) {
    rmdirSync(path);
    throw new CliError(exit.cannotCreate, `cannot set the limit of ${path}: ${codeOf(error)}`);
  }
}

/** The group and its descendants, children before parents. */
export function treeOf(path: string): string[] {
  let children: string[] = [];
  try {
    children = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch {
    return []; // it was removed meanwhile
  }
  return [...children.flatMap(treeOf), path];
}

/** The processes of the group and its descendants; 0 (of another pid namespace) is left out. */
export function processesOf(path: string): number[] {
  return treeOf(path).flatMap((group) =>
    (readIfThere(join(group, "cgroup.procs")) ?? "")
      .split("\n")
      .map(Number)
      .filter((pid) => pid > 0),
  );
}

/** By its list: a path in /proc/PID/cgroup tells nothing in a cgroup namespace of one's own. */
export function holdsUs(path: string): boolean {
  const procs = readIfThere(join(path, "cgroup.procs")) ?? "";
  return procs.split("\n").includes(String(process.pid));
}

/** Kills what is left in the group, but `spared`. False: something would not die. */
export async function emptyGroup(path: string, spared: readonly number[]): Promise<boolean> {
  const deadline = performance.now() + EMPTY_BOUND_MS;
  for (;;) {
    const left = processesOf(path).filter((pid) => !spared.includes(pid) && pid !== process.pid);
    if (left.length === 0) return true;
    for (const pid of left) kill(pid);
    if (performance.now() > deadline) return false;
    await Bun.sleep(EMPTY_TICK_MS);
  }
}

/** Removes the group and its descendants. False: it is still busy after the bound. */
export async function removeGroup(path: string): Promise<boolean> {
  const deadline = performance.now() + EMPTY_BOUND_MS;
  for (;;) {
    const left = treeOf(path).filter((group) => !rmdir(group));
    if (left.length === 0) return true;
    if (performance.now() > deadline) return false;
    await Bun.sleep(EMPTY_TICK_MS);
  }
}

/** A sentence when arming would be worse than the OOM, else undefined. */
export function whyUnsafe(path: string): string | undefined {
  if (readIfThere("/proc/sys/vm/panic_on_oom")?.trim() === "2") {
    return "vm.panic_on_oom is 2, so giving a group to the kernel panics the host: set it to 0 or 1";
  }
  const pids = processesOf(path);
  const immune = (pid: number) => readIfThere(`/proc/${pid}/oom_score_adj`)?.trim() === "-1000";
  if (pids.length > 0 && pids.every(immune)) {
    return "every process in it has oom_score_adj -1000, so neither we nor the kernel could kill one";
  }
  return undefined;
}

/** A sentence when somebody else has switched the killer off, in the group or below; those in `ours` aside. */
export function whyHeld(path: string, ours: readonly string[] = []): string | undefined {
  const held = treeOf(path).find(
    (group) => !ours.includes(group) && kindOfGroup(group).isHeld(group),
  );
  if (held === undefined) return undefined;
  return `the kernel's killer is already off in ${held} by somebody else: echo 0 > ${held}/memory.oom_control`;
}

/** The directories that it is in, the nearest first. */
export function allAbove(path: string): string[] {
  const all: string[] = [];
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) all.push(above);
  return all;
}

// --- internal ---

/** The unit that systemd has for the helpers, beside that of the agent (dist/systemd). */
const HELPERS_UNIT = "reprieve-helpers.service";

/** Of the hierarchies in which we make groups: v1 has a freezer of its own. */
function homes(): string[] {
  const ours = [findMemory(), findV1("freezer")].filter((one) => one !== undefined);
  const homes = ours.flatMap((one) => helpersUnit(one) ?? homeOf(one) ?? []);
  // Where memory is on v1, these tell systemd whose a process is, and whom to kill with a unit.
  const telling = [findV1("name=systemd"), ...findV2()].flatMap((one) => one ?? []);
  return [...new Set([...homes, ...telling.flatMap((one) => helpersUnit(one) ?? [])])];
}

/** Undefined: this process is not the agent of that unit. */
function helpersUnit({ root, own }: Hierarchy): string | undefined {
  if (own === root) return undefined;
  const unit = join(dirname(own), HELPERS_UNIT);
  return isWritable(join(unit, "cgroup.procs")) ? unit : undefined;
}

function mkdirGroup(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST") {
      const remedy = "choose another --name, or rmdir it when nobody uses it";
      throw new CliError(exit.cannotCreate, `cannot make ${path}: it is there already; ${remedy}`);
    }
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
      throw refusal(`cannot make ${path}`, code, dirname(path));
    }
    throw new CliError(exit.cannotCreate, `cannot make ${path}: ${code}`);
  }
}

function rmdir(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is dead already; what may not be killed shows as "busy" at the bound.
  }
}
