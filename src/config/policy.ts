// SPDX-License-Identifier: MIT
/** What the config says of one group. Pure. */

import { bySpecificity, matcherOf } from "./pattern.ts";
import type { Config, Guard, Power } from "./schema.ts";

export interface Policy {
  /** The most specific guard; undefined: nobody guards it. `path` is below the hierarchy and begins with /. */
  guardOf(path: string): Guard | undefined;
  mayKill(path: string): boolean;
}

/** `everywhere`: --allow-kill, which [deny] wins over all the same. */
export function policyOf({ guard, allow, deny }: Config, everywhere = false): Policy {
  const isAllowed = everywhere ? () => true : holds(allow.kill);
  const isDenied = holds(deny.kill);
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
    mayKill: (path) => isAllowed(path) && !isDenied(path),
  };
}

export function listOf(patterns: string | readonly string[]): readonly string[] {
  return typeof patterns === "string" ? [patterns] : patterns;
}

// --- internal ---

function holds(power: Power): (path: string) => boolean {
  if (typeof power === "boolean") return () => power;
  const matchers = listOf(power).map(matcherOf);
  return (path) => matchers.some((matches) => matches(path));
}
