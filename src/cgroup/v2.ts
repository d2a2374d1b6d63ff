// SPDX-License-Identifier: MIT
/**
 * Groups of cgroup v2: a limit, and below it a mark over which everybody sleeps (kernel documentation, cgroup-v2).
 *
 * Memory is limited only where the group above hands that down (cgroup.subtree_control), and no group but the
 * root may do so while processes live in it. A process may be moved only by who may write cgroup.procs of the
 * group above both places.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CliError, exit } from "../errors.ts";
import { codeOf, isWritable, readIfThere, statIn } from "./files.ts";
import { type Hierarchy, wordsOf } from "./hierarchy.ts";
import type { Kind } from "./kind.ts";

export const v2: Kind = {
  name: "v2",
  switchFile: "memory.high",
  canRename: false,
  limitFiles: ["memory.max", "memory.high"],
  controlFile: "cgroup.subtree_control",
  // A neighbour that takes 1 MB each 10 ms stalled for up to 1,016 ms beside a hog held for 3 s (measured).
  delay: {
    defaultMs: 500,
    longMs: 500,
    why: "on cgroup v2 neighbours sleep while the group is held",
  },
  noLimit:
    "it has no limit, neither memory.max nor memory.high is set: write one to its memory.max",

  homeOf: (hierarchy) => homesOf(hierarchy).find(isHome),
  whyNoHome,

  makeRoom({ own, showsUs }) {
    const isAlone = readIfThere(join(own, "cgroup.procs"))?.trim() === String(process.pid);
    if (!showsUs || !isAlone || !isWritable(own)) return;
    const aside = join(own, "reprieve-agent");
    mkdirSync(aside, { recursive: true });
    writeFileSync(join(aside, "cgroup.procs"), "0");
  },

  prepareParent(parent) {
    if (handsDown(parent)) return;
    const control = join(parent, "cgroup.subtree_control");
    try {
      writeFileSync(control, "+memory");
    } catch (error) {
      const why = `cannot make a group in ${parent}: echo +memory > ${control} got ${codeOf(error)}`;
      throw new CliError(exit.cannotCreate, why);
    }
  },

  setLimit(group, bytes) {
    writeFileSync(join(group, "memory.max"), String(bytes));
    const swap = join(group, "memory.swap.max");
    if (readIfThere(swap) !== undefined) writeFileSync(swap, "0");
  },

  limitOf(group, ours) {
    const high = sizeIn(join(group, "memory.high"));
    const owners = high === ours?.bytes ? ours?.beforeBytes : high;
    return sizeIn(join(group, "memory.max")) ?? owners;
  },

  roomOf({ root, own }) {
    let least = Number.POSITIVE_INFINITY;
    for (let group = own; isBelow(group, dirname(root)); group = dirname(group)) {
      const limit = sizeIn(join(group, "memory.max")) ?? Number.POSITIVE_INFINITY;
      const used = (sizeIn(join(group, "memory.current")) ?? 0) - statIn(group, "inactive_file");
      least = Math.min(least, limit - used);
    }
    return least;
  },

  whyNoGuard(group) {
    const type = readIfThere(join(group, "cgroup.type"))?.trim();
    if (type === "threaded" || type === "domain invalid") {
      return `it is ${type}: its memory is that of the group above, guard that one`;
    }
    if (readIfThere(join(group, "memory.max")) !== undefined) return undefined;
    const control = join(dirname(group), "cgroup.subtree_control");
    return `the memory controller is not enabled for it: echo +memory > ${control}`;
  },

  whyNotInside(group) {
    const handed = readIfThere(join(group, "cgroup.subtree_control"))?.trim();
    if (!handed) return undefined;
    return `no process may live in it, for it hands ${handed} down: give --handler outside`;
  },

  switchText: (group) => readIfThere(join(group, "memory.high"))?.trim(),
  isHeld: () => false,
  hold: (group, bytes) => writeFileSync(join(group, "memory.high"), String(bytes)),
  letGo: (group) => writeFileSync(join(group, "memory.high"), "max"),
  isOver: (group) => /^high [1-9]/m.test(readIfThere(join(group, "memory.events")) ?? ""),
  // Not in it, nor in the watchers' unit, in which a process sleeps: a group with processes hands no memory down.
  probeGroup(helperGroup, hierarchy) {
    const home = v2.homeOf(hierarchy) ?? dirname(helperGroup);
    return join(home, `${basename(helperGroup)}-probe`);
  },
};

/** Undefined for "max", and where there is no such file. */
function sizeIn(file: string): number | undefined {
  const text = readIfThere(file)?.trim();
  return text === undefined || text === "max" ? undefined : Number(text);
}

// --- internal ---

/** Best first: the root, then what is nearest above us. Our own group has us in it. */
function homesOf({ root, own }: Hierarchy): string[] {
  const homes = [root];
  for (let group = dirname(own); isBelow(group, root); group = dirname(group)) homes.push(group);
  return homes;
}

function isBelow(group: string, root: string): boolean {
  return group !== root && group.startsWith(root);
}

function isHome(group: string): boolean {
  const canMove = isWritable(group) && isWritable(join(group, "cgroup.procs"));
  return canMove && (handsDown(group) || whyNotHandedDown(group) === undefined);
}

function handsDown(group: string): boolean {
  return wordsOf(readIfThere(join(group, "cgroup.subtree_control"))).includes("memory");
}

/** A sentence when the group cannot give its children the memory controller. */
function whyNotHandedDown(group: string): string | undefined {
  if (!wordsOf(readIfThere(join(group, "cgroup.controllers"))).includes("memory")) {
    return `the memory controller is not handed down to ${group}`;
  }
  const control = join(group, "cgroup.subtree_control");
  if (!isWritable(control)) return `${control} is not ours to write`;
  const type = readIfThere(join(group, "cgroup.type"))?.trim();
  if (type === undefined) return undefined; // the root of all
  if (type !== "domain") return `${group} is ${type}`;
  if (readIfThere(join(group, "cgroup.procs")) === "") return undefined;
  return `processes live in ${group} itself: move them to a group below it, then try again`;
}

function whyNoHome({ root }: Hierarchy): string {
  const asUser =
    "run as root, or as a user in a group below a delegated one: systemd-run --user --scope";
  return isWritable(root) ? (whyNotHandedDown(root) ?? asUser) : asUser;
}
