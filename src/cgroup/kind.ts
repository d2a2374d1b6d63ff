// SPDX-License-Identifier: MIT
/**
 * What differs between the groups of cgroup v1 and v2: the only place that asks which one it is.
 *
 * The switch is what the watchers write (native/watcher.c) and whose lock keeps a second reprieve away: v1
 * "memory.oom_control", the kernel's killer itself; v2 "memory.high", under which nobody is killed but all sleep.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Hierarchy } from "./hierarchy.ts";
import { v1 } from "./v1.ts";
import { v2 } from "./v2.ts";

/** Of a guarded group of v2: what the switch is while we hold it, and what it was before; undefined: no limit. */
export interface OurSwitch {
  readonly bytes: number;
  readonly beforeBytes: number | undefined;
}

export interface Kind {
  readonly name: "v1" | "v2";
  readonly switchFile: string;
  /** A group may be given another name. */
  readonly canRename: boolean;
  /** Written when a group gets a limit, or loses it. */
  readonly limitFiles: readonly string[];
  /** Written when the groups below get the memory controller; undefined: all have it. */
  readonly controlFile: string | undefined;
  /** The reprieve that is given when nobody says how long, from when on it is long, and why. */
  readonly delay: { readonly defaultMs: number; readonly longMs: number; readonly why: string };
  /** The directory in which reprieve makes its groups; undefined: it may not make any. */
  homeOf(hierarchy: Hierarchy): string | undefined;
  /** A sentence for a hierarchy without a home. */
  whyNoHome(hierarchy: Hierarchy): string;
  /**
   * For process 1 of a container, which the runtime has put into the very group that is to have others below it: it goes into one beside
   * those, where it is alone, for with a process in it a group of v2 limits none.
   */
  makeRoom(hierarchy: Hierarchy): void;
  /** Has groups below `parent` account and limit memory. Throws a CliError. */
  prepareParent(parent: string): void;
  /** On memory and, where swap is accounted, so that swap makes no more of it. */
  setLimit(group: string, bytes: number): void;
  /** Of the group itself; undefined: it has none. `ours`: what the switch says by our doing is not its limit. */
  limitOf(group: string, ours?: OurSwitch): number | undefined;
  /** What one more process in the group could take before somebody's limit; files that were read once are no use to anybody. */
  roomOf(hierarchy: Hierarchy): number;
  /** A sentence when the group is none that can be guarded, whoever asks. */
  whyNoGuard(group: string): string | undefined;
  /** A sentence when no helper of ours may live in the group. */
  whyNotInside(group: string): string | undefined;
  /** What to do about a group without a limit. */
  readonly noLimit: string;
  /** What the switch says; undefined: it is not there. */
  switchText(group: string): string | undefined;
  /** Whether somebody has switched the kernel's killer off: on v2 nobody can. */
  isHeld(group: string): boolean;
  /** By hand, for groups of our own: who grows beyond `bytes` sleeps; on v1 that is the limit. */
  hold(group: string, bytes: number): void;
  /** Undoes hold(): the kernel decides. */
  letGo(group: string): void;
  /** Somebody has come to where hold() stops him. */
  isOver(group: string): boolean;
  /** Where a group beside that of our helpers' may be, that goes with it. */
  probeGroup(helperGroup: string, hierarchy: Hierarchy): string;
}

export const KINDS: readonly Kind[] = [v1, v2];

export const SWITCH_FILES: readonly string[] = KINDS.map(({ switchFile }) => switchFile);

export function kindOf(hierarchy: Hierarchy): Kind {
  return hierarchy.version === 1 ? v1 : v2;
}

/** Of a memory group; one that is gone counts as v2's. */
export function kindOfGroup(group: string): Kind {
  return existsSync(join(group, v1.switchFile)) ? v1 : v2;
}
