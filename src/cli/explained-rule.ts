// SPDX-License-Identifier: MIT
/** By which rule a group is guarded: what decides, each order with its power, and in what the running one differs. Pure. */

import type { Kind } from "../cgroup/kind.ts";
import { whyMoreSpecific } from "../config/pattern.ts";
import type { Policy } from "../config/policy.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import type { OrderTold, RuleTold } from "./explanation.ts";
import { boundMsOf, POWER_OF, textOf } from "./order.ts";

/** All guards that match, and what became of each. */
export function rulesOf(policy: Policy, cgroup: string): RuleTold[] {
  const rules = policy.rulesOf(cgroup);
  const winner = rules.find(({ except }) => except === undefined);
  return rules.map((rule) => {
    const { guard, pattern, except } = rule;
    const told = { guard: guard.name, pattern, decides: rule === winner };
    if (except !== undefined) return { ...told, why: `its except = ${except} leaves it alone` };
    if (rule !== winner) {
      const why = whyMoreSpecific(winner?.pattern ?? "", pattern);
      return { ...told, why: why ? `the first has ${why}` : "it stands before the first" };
    }
    const rivals = rules.filter((one) => one !== rule && one.except === undefined);
    return { ...told, why: rivals.length === 0 ? "no other matches" : "the most specific" };
  });
}

/** `pid`: of the one that runs. */
export function ordersOf(
  kind: Kind,
  { orders, allowKill, allowLimits, allowMove, allowHooks }: GuardOrders,
  cgroup: string,
  pid: number | undefined,
  policy: Policy | undefined,
): OrderTold[] {
  const has = { kill: allowKill, limits: allowLimits, move: allowMove, hooks: allowHooks };
  return orders.map((one, index) => {
    const power = POWER_OF[one.order];
    if (power === undefined) {
      return { order: textOf(one), power: null, acts: true, by: "it takes no power", bound_ms: 0 };
    }
    const acts = has[power];
    // The file may have changed since, and flags win over it.
    const about = one.order === "HOOK" ? one.argv[0] : cgroup;
    const isByFile = policy && (policy.whyNot(power, about) === undefined) === acts;
    return {
      order: textOf(one),
      power,
      acts,
      by: isByFile ? policy.keyOf(power, about) : `as reprieve ${pid} was started`,
      bound_ms: index === orders.length - 1 ? null : boundMsOf(kind, one),
    };
  });
}

/** What the running one has otherwise than the file says. */
export function differencesOf(running: GuardOrders, file: GuardOrders): string[] {
  const told = ({ delayMs, marginBytes, when = "at-oom", orders, ...powers }: GuardOrders) => ({
    delay: delayMs,
    margin: marginBytes,
    when,
    orders: orders.map(textOf).join(),
    powers: [powers.allowKill, powers.allowLimits, powers.allowMove, powers.allowHooks].join(),
    caps: [powers.caps?.incident, powers.caps?.hour].join(),
  });
  const [mine, theirs] = [told(running), told(file)];
  return (Object.keys(mine) as (keyof typeof mine)[]).filter((key) => mine[key] !== theirs[key]);
}

/** Whom they take first. */
export function byOf({ orders }: GuardOrders): string {
  const kill = orders.find((one) => one.order === "KILL");
  return (kill?.order === "KILL" && kill.by?.toLowerCase()) || "largest";
}
