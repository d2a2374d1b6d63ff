// SPDX-License-Identifier: MIT
/** What the config says of one group. Pure. */

import { POWERS, type Power } from "../cli/order.ts";
import type { ByFlags, Keeper } from "../cli/powers.ts";
import { bySpecificity, matcherOf } from "./pattern.ts";
import type { Config, Guard, Reach } from "./schema.ts";

/** A guard with a pattern that matches the group. */
export interface Rule {
  readonly guard: Guard;
  readonly pattern: string;
  /** The one of `except` that leaves the group alone. */
  readonly except: string | undefined;
}

export interface Policy {
  /** The most specific guard; undefined: nobody guards it. `path` is below the hierarchy and begins with /. */
  guardOf(path: string): Guard | undefined;
  /** What keeps a power from it; undefined: it is granted. Of hooks the path is the program's. */
  whyNot(power: Power, path: string): Keeper | undefined;
  /** The guards that match, each once, the most specific first: the first without `except` decides. */
  rulesOf(path: string): Rule[];
  /** In words, the key by which it is so. */
  keyOf(power: Power, path: string): string;
}

/** The --allow flags add to [allow]; what is denied is denied, by flag or by file. */
export function policyOf(
  { guard, allow, deny }: Config,
  byFlags: ByFlags = () => undefined,
): Policy {
  const [allowed, denied] = [reachesOf(allow), reachesOf(deny)];
  const rules = guard.flatMap((one, order) => {
    const exceptOf = finderOf(one.except ?? []);
    return listOf(one.cgroup).map((pattern) => {
      return { guard: one, pattern, order, matches: matcherOf(pattern), exceptOf };
    });
  });
  const ranked = rules.sort((a, b) => bySpecificity(a.pattern, b.pattern) || b.order - a.order);
  return {
    guardOf: (path) => ranked.find((rule) => rule.matches(path) && !rule.exceptOf(path))?.guard,
    whyNot: (power, path) => {
      const flag = byFlags(power, path);
      if (flag === "--deny") return flag;
      if (denied.get(power)?.(path)) return "deny";
      return (flag ?? allowed.get(power)?.(path)) ? undefined : "allow";
    },
    rulesOf: (path) => {
      const matching = ranked.filter(({ matches }) => matches(path));
      const first = new Map(matching.toReversed().map((rule) => [rule.guard, rule]));
      return matching
        .filter((rule) => first.get(rule.guard) === rule)
        .map((rule) => ({
          guard: rule.guard,
          pattern: rule.pattern,
          except: rule.exceptOf(path),
        }));
    },
    keyOf: (power, path) => {
      const by = denied.get(power)?.(path);
      const flag = byFlags(power, path);
      if (by && flag !== "--deny") return `[deny] ${power} = ${by}`;
      if (flag) return `${flag}-${power}`;
      const grant = allowed.get(power)?.(path);
      return grant ? `[allow] ${power} = ${grant}` : `[allow] ${power} does not name it`;
    },
  };
}

export function listOf(patterns: string | readonly string[]): readonly string[] {
  return typeof patterns === "string" ? [patterns] : patterns;
}

// --- internal ---

type Finder = (path: string) => string | undefined;

function reachesOf(table: Config["allow"]): Map<Power, Finder> {
  return new Map(POWERS.map((power) => [power, finderOf(table[power])]));
}

/** Finds what of a reach holds for a path, as the file has it. */
function finderOf(reach: Reach): Finder {
  if (typeof reach === "boolean") return () => (reach ? "true" : undefined);
  const patterns = listOf(reach).map((pattern) => ({ pattern, matches: matcherOf(pattern) }));
  return (path) => {
    const found = patterns.find(({ matches }) => matches(path));
    return found && JSON.stringify(found.pattern);
  };
}
