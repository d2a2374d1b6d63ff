// SPDX-License-Identifier: MIT
/** Which powers the flags grant and forbid, and where. Pure. */

import { matcherOf } from "../config/pattern.ts";
import { POWERS, type Power } from "./order.ts";

/** Everywhere, or where a pattern matches: of hooks the program, else the group's path as a config file has it. */
type Reached = true | readonly string[];

export interface PowerFlags {
  readonly allowKill?: Reached;
  readonly allowLimits?: Reached;
  readonly allowMove?: Reached;
  readonly allowHooks?: Reached;
  readonly denyKill?: Reached;
  readonly denyLimits?: Reached;
  readonly denyMove?: Reached;
  readonly denyHooks?: Reached;
}

/** What keeps a power from a group: a table of the config file that says so, or says nothing, and the same of the flags. */
export type Keeper = "allow" | "deny" | "--allow" | "--deny";

/** What the flags say of a power. */
export type ByFlags = (power: Power, path: string) => "--allow" | "--deny" | undefined;

const FLAGS = {
  kill: ["allowKill", "denyKill"],
  limits: ["allowLimits", "denyLimits"],
  move: ["allowMove", "denyMove"],
  hooks: ["allowHooks", "denyHooks"],
} as const;

export function byFlags(flags: PowerFlags): ByFlags {
  return (power, path) => {
    const [allow, deny] = FLAGS[power];
    if (reaches(flags[deny], path)) return "--deny";
    return reaches(flags[allow], path) ? "--allow" : undefined;
  };
}

/** Is it not the same for all groups? */
export function arePicky(flags: PowerFlags): boolean {
  return POWERS.some((power) => {
    const [allow, deny] = FLAGS[power];
    return flags[deny] !== undefined || (power !== "hooks" && Array.isArray(flags[allow]));
  });
}

/** In words, what would let it act. */
export function remedyOf(keeper: Keeper, power: Power): string {
  return {
    allow: `[allow] ${power} lets it act`,
    deny: `[deny] ${power} forbids it`,
    "--allow": `--allow-${power} lets it act`,
    "--deny": `--deny-${power} forbids it`,
  }[keeper];
}

// --- internal ---

function reaches(reached: Reached | undefined, path: string): boolean {
  if (reached === undefined || reached === true) return reached === true;
  return reached.some((pattern) => matcherOf(pattern)(path));
}
