// SPDX-License-Identifier: MIT
/**
 * Patterns of groups' paths: which there may be, what one matches, which of two is the more specific. Pure.
 *
 * Bun.Glob matches, with all but `*` and `?` escaped: names of groups are hostile, and of its braces, brackets (they
 * match a `/`) and negations nobody needs any.
 */

import * as v from "valibot";
import { limit } from "../native/layout.ts";

const A_PATH = "a group's path begins with /, as in /proc/PID/cgroup: /tenants/web, or /tenants/*";

export const Pattern = v.pipe(
  v.string(A_PATH),
  v.regex(/^\//, A_PATH),
  v.regex(
    /^(?!\/sys\/fs\/cgroup(\/|$))/,
    "the path below the memory hierarchy is wanted, as in /proc/PID/cgroup, not that of a directory",
  ),
  v.regex(/^\/./, "the root group has no limit: name groups below it, or /**"),
  v.regex(/^(?!.*(\/\/|\/$))/s, "a level is empty: give one / between two names and none behind"),
  v.regex(/^(?!.*\/\.\.?(\/|$))/s, "a group's path has no level . or .."),
  v.regex(/^(?!.*([^/]\*\*|\*\*[^/]))/s, "** stands for whole levels, as in /a/**/b"),
  v.check((text) => !text.includes("\0"), "a group's path has no NUL"),
  v.check(
    (text) => Buffer.byteLength(text) < limit.PATH_BYTES,
    `a group's path has at most ${limit.PATH_BYTES - 1} bytes`,
  ),
);

/** One group, by its name, and no glob. */
export function isExact(pattern: string): boolean {
  return !/[*?]/.test(pattern);
}

/** Tells whether a path below the hierarchy, with its leading /, is meant. */
export function matcherOf(pattern: string): (path: string) => boolean {
  if (isExact(pattern)) return (path) => path === pattern;
  const glob = new Bun.Glob(pattern.replace(/[^A-Za-z0-9/*?\u0080-\u{10ffff}]/gu, "\\$&"));
  return (path) => glob.match(path);
}

/** Tells whether groups below a directory may be meant; "/" is the root of the hierarchy. */
export function holderOf(pattern: string): (path: string) => boolean {
  const levels = pattern.split("/").slice(1);
  const any = levels.indexOf("**");
  const above = levels.slice(0, any < 0 ? -1 : any).map((_, i) => levels.slice(0, i + 1).join("/"));
  const matchers = above.map((prefix) => matcherOf(`/${prefix}`));
  if (any >= 0) matchers.push(matcherOf(`/${levels.slice(0, any + 1).join("/")}`));
  return (path) => path === "/" || matchers.some((matches) => matches(path));
}

/** For a sort, the more specific first; 0: neither is. What counts is told in schema.ts, in words. */
export function bySpecificity(a: string, b: string): number {
  const [first, second] = [rankOf(a), rankOf(b)];
  const at = first.findIndex((rank, index) => rank !== second[index]);
  return at < 0 ? 0 : (second[at] ?? 0) - (first[at] ?? 0);
}

/** In what the first is the more specific; undefined: in nothing. */
export function whyMoreSpecific(first: string, second: string): string | undefined {
  const [more, less] = [rankOf(first), rankOf(second)];
  const at = more.findIndex((rank, index) => rank !== less[index]);
  return at >= 0 && (more[at] ?? 0) > (less[at] ?? 0) ? SPECIFIC_BY[at] : undefined;
}

// --- internal ---

/** The same order as rankOf()'s. */
const SPECIFIC_BY = ["more characters", "more levels", "fewer **", "more ?", "fewer *"] as const;

/** The most significant first; more is more specific. No glob that matches a path gives more of it than the path itself. */
function rankOf(pattern: string): number[] {
  const count = (what: RegExp) => pattern.match(what)?.length ?? 0;
  const anyLevels = count(/\*\*/g);
  return [
    count(/[^/*?]/gu),
    count(/\//g) - anyLevels,
    -anyLevels,
    count(/\?/g),
    2 * anyLevels - count(/\*/g),
  ];
}
