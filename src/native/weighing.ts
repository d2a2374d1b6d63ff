// SPDX-License-Identifier: MIT
/** What processes count for when the victim is chosen, as native/weigh.h has it. Pure. */

import { at, size } from "./layout.ts";

/** Of the processes that all of it holds for; what is not given holds for everybody. */
export interface WeighRule {
  readonly name?: string;
  readonly exe?: string;
  /** Of the path of its group below the guard's. */
  readonly cgroup?: string;
  readonly uid?: number;
  /** So much their memory counts; 0: they are the last to be chosen. */
  readonly percent: number;
}

const ANYBODY = 0xffff_ffff;
const PATTERNS = ["name", "exe", "cgroup"] as const;

/** Of whyTooMany() rules that fit. */
export function weighingOf(rules: readonly WeighRule[]): Uint8Array {
  const bytes = Buffer.alloc(size.weighing);
  let next = 1; // at 0: no pattern
  bytes.writeUInt32LE(rules.length, at.weighing_rules);
  rules.forEach((rule, index) => {
    const base = at.weighing_rule + index * size.weigh_rule;
    bytes.writeUInt32LE(rule.uid ?? ANYBODY, base + at.weigh_rule_uid);
    bytes.writeUInt16LE(rule.percent, base + at.weigh_rule_percent);
    for (const kind of PATTERNS) {
      const pattern = rule[kind];
      if (pattern === undefined) continue;
      bytes.writeUInt16LE(next, base + at[`weigh_rule_${kind}`]);
      next += bytes.write(`${pattern}\0`, at.weighing_text + next);
    }
  });
  return bytes;
}

/** What their patterns take of `text`. */
export function textBytes(rules: readonly WeighRule[]): number {
  const patterns = rules.flatMap((rule) => PATTERNS.flatMap((kind) => rule[kind] ?? []));
  return patterns.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 1);
}
