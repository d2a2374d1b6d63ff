// SPDX-License-Identifier: MIT
/** What the config says of one group. Pure. */

import { POWERS, type Power } from "../cli/order.ts";
import { bySpecificity, matcherOf } from "./pattern.ts";
import type { Config, Guard, Reach } from "./schema.ts";

export interface Policy {
  /** The most specific guard; undefined: nobody guards it. `path` is below the hierarchy and begins with /. */
  guardOf(path: string): Guard | undefined;
  /** The table that keeps a power from it; undefined: it is granted. */
  whyNot(power: Power, path: string): "allow" | "deny" | undefined;
}

/** `everywhere`: by the --allow flags, which [deny] wins over all the same. */
export function policyOf(
  { guard, allow, deny }: Config,
  everywhere: ReadonlySet<Power> = new Set(),
): Policy {
  const [allowed, denied] = [reachesOf(allow), reachesOf(deny)];
  const rules = guard.flatMap((one, order) => {
    const isExcepted = holds(one.except ?? []);
    return listOf(one.cgroup).map((pattern) => {
      return { guard: one, pattern, order, matches: matcherOf(pattern), isExcepted };
    });
  });
  const ranked = rules.sort((a, b) => bySpecificity(a.pattern, b.pattern) || b.order - a.order);
  return {
    guardOf: (path) =>
      ranked.find(({ matches, isExcepted }) => matches(path) && !isExcepted(path))?.guard,
    whyNot: (power, path) => {
      if (denied.get(power)?.(path)) return "deny";
      return everywhere.has(power) || allowed.get(power)?.(path) ? undefined : "allow";
    },
  };
}

export function listOf(patterns: string | readonly string[]): readonly string[] {
  return typeof patterns === "string" ? [patterns] : patterns;
}

// --- internal ---

function reachesOf(table: Config["allow"]) {
  return new Map(POWERS.map((power) => [power, holds(table[power])]));
}

function holds(reach: Reach): (path: string) => boolean {
  if (typeof reach === "boolean") return () => reach;
  const matchers = listOf(reach).map(matcherOf);
  return (path) => matchers.some((matches) => matches(path));
}
