// SPDX-License-Identifier: MIT
/** Whom to prefer and whom to avoid when the victim is chosen: one rule in words. Pure. */

import * as v from "valibot";
import { limit } from "../native/layout.ts";
import { textBytes, type WeighRule } from "../native/weighing.ts";

/** Who it holds for, without what their memory counts. */
type Who = Omit<WeighRule, "percent">;

interface Weights {
  readonly what: "prefer" | "avoid";
  readonly percent: number;
  readonly isRight: (percent: number) => boolean;
  readonly range: string;
}

const UID_MOST = 2 ** 32 - 2;
const A_RULE =
  "who is meant is told by name=, exe=, cgroup= or uid=, several with commas between, and weight= behind: name=java*,uid=1000,weight=8";
const STRAY_STARS = /[^/]\*\*|\*\*[^/]/s;
const PART = /^(name|exe|cgroup|uid|weight)=(.+)$/s;

const WHY_NOT: Readonly<Record<string, (text: string) => string | undefined>> = {
  name: (text) =>
    Buffer.byteLength(text) < limit.COMM_BYTES || /[*?]/.test(text)
      ? undefined
      : `a process's name has at most ${limit.COMM_BYTES - 1} bytes: give its beginning and a *`,
  exe: (text) =>
    /^(\/|\*\*\/)/.test(text)
      ? undefined
      : "exe is the path of the program: /usr/bin/java, or **/java",
  cgroup: (text) =>
    text.startsWith("/")
      ? "cgroup is a path below the guarded group, without a / first"
      : undefined,
  uid: (text) =>
    /^\d{1,10}$/.test(text) && Number(text) <= UID_MOST ? undefined : "uid is a user's number",
};

export const Prefer = ruleOf({
  what: "prefer",
  percent: 400,
  isRight: (percent) => percent > 100 && percent <= limit.WEIGH_MOST,
  range: `over 1, and at most ${limit.WEIGH_MOST / 100}`,
});

export const Avoid = ruleOf({
  what: "avoid",
  percent: 25,
  isRight: (percent) => percent >= 0 && percent < 100,
  range: "below 1; 0: last of all",
});

/** A sentence where a guard cannot have so many. */
export function whyTooMany(rules: readonly WeighRule[]): string | undefined {
  if (rules.length > limit.WEIGH_RULES_MAX) {
    return `prefer and avoid have at most ${limit.WEIGH_RULES_MAX} rules together`;
  }
  if (textBytes(rules) <= limit.WEIGH_TEXT_BYTES) return undefined;
  return `the patterns of prefer and avoid have at most ${limit.WEIGH_TEXT_BYTES} bytes together`;
}

/** As it may stand in a file. */
export function textOfRule({ percent, ...who }: WeighRule): string {
  const parts = Object.entries({ ...who, weight: percent / 100 });
  const what = percent > WEIGH_EVEN_PERCENT ? "prefer" : "avoid";
  return `${what} ${parts.map(([key, value]) => `${key}=${value}`).join(",")}`;
}

// --- internal ---

const WEIGH_EVEN_PERCENT = 100;

function ruleOf(weights: Weights) {
  return v.pipe(
    v.string(A_RULE),
    v.rawTransform(({ dataset, addIssue, NEVER }): WeighRule => {
      const made = parsed(dataset.value, weights);
      if (typeof made !== "string") return made;
      addIssue({ message: made });
      return NEVER;
    }),
  );
}

/** The rule, or why it is none. */
function parsed(text: string, weights: Weights): WeighRule | string {
  const given = new Map<string, string>();
  for (const part of text.split(",")) {
    const [, key, value] = PART.exec(part) ?? [];
    if (key === undefined || value === undefined) return A_RULE;
    if (STRAY_STARS.test(value)) return "** stands for whole levels, as in /a/**/b";
    if (given.has(key)) return `${key}= is given twice`;
    const why = WHY_NOT[key]?.(value);
    if (why !== undefined) return why;
    given.set(key, value);
  }
  const percent = percentOf(given.get("weight"), weights);
  if (percent === undefined) return `the weight of ${weights.what} is ${weights.range}`;
  const uid = given.get("uid");
  const who: Who = {
    ...patternsOf(given),
    ...(uid !== undefined && { uid: Number(uid) }),
  };
  return Object.keys(who).length === 0 ? A_RULE : { ...who, percent };
}

function patternsOf(given: ReadonlyMap<string, string>): Omit<Who, "uid"> {
  return Object.fromEntries(
    ["name", "exe", "cgroup"].flatMap((key) => {
      const pattern = given.get(key);
      return pattern === undefined ? [] : [[key, pattern]];
    }),
  );
}

function percentOf(weight: string | undefined, weights: Weights): number | undefined {
  if (weight === undefined) return weights.percent;
  if (!/^\d{1,3}(\.\d{1,2})?$/.test(weight)) return undefined;
  const percent = Math.round(Number(weight) * 100);
  return weights.isRight(percent) ? percent : undefined;
}
