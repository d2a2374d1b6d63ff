// SPDX-License-Identifier: MIT
/** The standing orders of a run: which are given, whether they go together, and the powers that they take. */

import { dirname, join } from "node:path";
import { whyNotWritable } from "../cgroup/files.ts";
import { resolveGroup } from "../cgroup/group.ts";
import { type Hierarchy, refusal } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { whyNotRun } from "../cgroup/trust.ts";
import { CliError, exit } from "../errors.ts";
import type { StandingOrder, When } from "../native/guard-orders.ts";
import { limit } from "../native/layout.ts";
import type { WeighRule } from "../native/weighing.ts";
import { visible } from "../shown.ts";
import {
  BEFORE_WANTS_DELAY,
  BEFORE_WANTS_OURS,
  boundMsOf,
  type OrderName,
  POWERS,
  type Power,
  poweredOf,
  programOf,
  strangeTo,
  twiceIn,
  whyNeverReached,
  whyTooLong,
  wordOf,
} from "./order.ts";
import { type Keeper, type PowerFlags, remedyOf } from "./powers.ts";
import { whyTooMany } from "./weigh.ts";

export interface OrderFlags extends PowerFlags {
  readonly order: readonly StandingOrder[];
  readonly prefer?: readonly WeighRule[];
  readonly avoid?: readonly WeighRule[];
  readonly hookBound?: number;
  readonly when?: When;
  readonly delay?: number;
}

/** What is asked for a group, by flags or by a config file. */
export interface OrderOptions {
  /** None: the core's own. */
  readonly order: readonly StandingOrder[];
  readonly granted: ReadonlySet<Power>;
  readonly delay?: number;
  readonly handler: "outside" | "inside" | "designated";
  readonly when?: When;
  /** What processes count for. */
  readonly weigh?: readonly WeighRule[];
}

/** What a guard is ordered: the powers among them that are granted and needed. */
export interface Standing {
  readonly orders: readonly StandingOrder[];
  readonly when?: When;
  readonly weigh?: readonly WeighRule[];
  readonly allowKill: boolean;
  readonly allowLimits: boolean;
  readonly allowMove: boolean;
  readonly allowHooks: boolean;
}

/** What a config file says of a group, or flags that are not the same for all. */
export interface Decided {
  /** Who decides; undefined: nobody, the group is one of --cgroup. */
  readonly guard: string | undefined;
  /** What keeps a power from it; undefined: nothing. */
  readonly whyNot: (power: Power) => Keeper | undefined;
}

/** A group with what is tried there. */
interface Ordered {
  readonly name: string;
  readonly orders: readonly StandingOrder[];
  readonly granted: ReadonlySet<Power>;
  readonly handler: OrderOptions["handler"];
  readonly decided?: Decided | undefined;
}

/** Refuses what goes in no group of this host; `guard`: whose orders they are, in a config file. */
export function demandOrders(
  memory: Hierarchy,
  { order, delay, handler, when, weigh }: Omit<OrderOptions, "granted">,
  guard?: string,
): void {
  const kind = kindOf(memory);
  const wrong = (why: string) =>
    guard === undefined
      ? new CliError(exit.usage, why)
      : new CliError(exit.badConfig, `guard ${guard}: ${why}`);
  const called = (name: OrderName) =>
    `${guard === undefined ? "--order" : "order"} ${wordOf(name)}`;
  const names = order.map((one) => one.order);
  const twice = twiceIn(names);
  if (twice !== undefined) throw wrong(`${called(twice)} is given twice`);
  const strange = strangeTo(kind, names);
  if (strange !== undefined) {
    throw wrong(`${called(strange)} needs cgroup v2, and memory is on v1 here`);
  }
  if (names.includes("KILL_GROUP_ALL") && handler === "inside") {
    throw wrong(`${called("KILL_GROUP_ALL")} would kill the handler: give --handler outside`);
  }
  const why =
    whyNeverReached(names) ??
    whyNotBefore(when, delay, handler) ??
    whyTooLong(kind, order, delay) ??
    whyTooMany(weigh ?? []);
  if (why !== undefined) throw wrong(why);
  const program = programOf(order);
  const whyNot = program === undefined ? undefined : whyNotRun(program);
  if (whyNot !== undefined) {
    throw wrong(`${called("HOOK")} cannot run ${visible(program ?? "")}: ${visible(whyNot.why)}`);
  }
  const asker = guard === undefined ? "" : `guard ${guard}: `;
  for (const one of order) if (one.order === "MOVE") demandTarget(memory, one.to, { asker });
}

/** Of orders that demandOrders() has let pass. */
export function standingOf(memory: Hierarchy, options: OrderOptions, guarded: string): Standing {
  const given: readonly StandingOrder[] =
    options.order.length > 0 ? options.order : [{ order: "KILL" }];
  const orders = given.map((one) => {
    if (one.order === "HOOK") {
      demandOutside(memory, guarded);
      return { ...one, boundMs: boundMsOf(kindOf(memory), one) };
    }
    if (one.order !== "MOVE") return one;
    return { ...one, to: demandTarget(memory, one.to, { guarded }) };
  });
  const used = usedOf({ ...options, orders });
  return {
    orders,
    ...(options.when === "before" && { when: options.when }),
    ...(options.weigh?.length && { weigh: options.weigh }),
    allowKill: used.includes("kill"),
    allowLimits: used.includes("limits"),
    allowMove: used.includes("move"),
    allowHooks: used.includes("hooks"),
  };
}

/** Sentences about powers that lack, and about those that nothing needs; of an owned group reprieve has its own. */
export function warningsOf(all: readonly Ordered[], owned: boolean): string[] {
  const granted = POWERS.filter((power) => all.some((one) => one.granted.has(power)));
  const isFor = (one: Ordered, power: Power) => needs(one, power) || usedOf(one).includes(power);
  const idle = granted.filter((power) => !owned && !all.some((one) => isFor(one, power)));
  const isByFlags = all.every(({ decided }) => decided === undefined);
  return [
    ...new Set(all.flatMap(lackingByFlags)),
    ...lackingByGroup(all),
    ...idle.map((power) =>
      isByFlags
        ? `--allow-${power} is for nothing: no --order needs it`
        : `the power ${power} is granted for nothing: no order needs it`,
    ),
  ];
}

// --- internal ---

/** A sentence where nothing could be done before the limit. */
function whyNotBefore(
  when: When | undefined,
  delay: number | undefined,
  handler: OrderOptions["handler"],
): string | undefined {
  if (when !== "before") return undefined;
  if (delay === 0) return BEFORE_WANTS_DELAY;
  return handler === "designated" ? BEFORE_WANTS_OURS : undefined;
}

function needs({ orders }: Pick<Ordered, "orders">, power: Power): boolean {
  return poweredOf(orders).some((one) => one.power === power);
}

/** Those that are granted and needed: by an order; to kill, where the group is held and all else has failed (native/handed.c). */
function usedOf({ orders, granted, handler }: Pick<Ordered, "orders" | "granted" | "handler">) {
  const ofOrders = POWERS.filter((power) => granted.has(power) && needs({ orders }, power));
  const isHeld = ofOrders.length > 0 || handler === "designated";
  return isHeld && granted.has("kill") ? [...ofOrders, "kill"] : ofOrders;
}

/** Where nothing is granted, to observe is what is wanted. */
function lackingByFlags({ orders, granted, decided }: Ordered): string[] {
  const powered = poweredOf(orders);
  if (decided !== undefined || !powered.some(({ power }) => granted.has(power))) return [];
  return powered
    .filter(({ power }) => !granted.has(power))
    .map(
      ({ order, power }) =>
        `--order ${wordOf(order)} is only observed: --allow-${power} lets it act`,
    );
}

/** One line for a guard's order and what keeps it, with the first of the groups. */
function lackingByGroup(all: readonly Ordered[]): string[] {
  const lacking = all.flatMap(({ name, orders, decided }) =>
    poweredOf(orders).flatMap(({ order, power }) => {
      const keeper = decided?.whyNot(power);
      if (keeper === undefined) return [];
      const who = decided?.guard === undefined ? "reprieve" : `guard ${decided.guard}`;
      const why = remedyOf(keeper, power);
      return [{ name, does: `${who} only observes ${wordOf(order)} in`, why }];
    }),
  );
  const alike = Map.groupBy(lacking, ({ does, why }) => `${does} ${why}`);
  return [...alike.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    return [visible(`${first.does} /${first.name}${more}: ${first.why}`)];
  });
}

/** In a full group nobody can start a program. */
function demandOutside({ own }: Hierarchy, guarded: string): void {
  if (!`${own}/`.startsWith(`${guarded}/`)) return;
  const why = "reprieve itself is in there, and could not start a program when it is full";
  throw new CliError(exit.unsafe, `cannot run a hook for ${visible(guarded)}: ${why}`);
}

/** The group that a process may be moved to, of `guarded` if that is known. */
function demandTarget(
  memory: Hierarchy,
  given: string,
  { guarded, asker = "" }: { guarded?: string; asker?: string },
): string {
  const path = resolveGroup(memory, given, `${asker}cannot move to`);
  const cannot = `${asker}cannot move to ${visible(path)}`;
  if (guarded !== undefined && `${path}/`.startsWith(`${guarded}/`)) {
    throw new CliError(
      exit.usage,
      `${cannot}: it is in the guarded group, whose limit counts there`,
    );
  }
  if (Buffer.byteLength(path) >= limit.PATH_BYTES) {
    throw new CliError(exit.usage, `${cannot}: its path has over ${limit.PATH_BYTES - 1} bytes`);
  }
  const why = kindOf(memory).whyNotInside(path);
  if (why !== undefined) throw new CliError(exit.unsafe, `${cannot}: ${why}`);
  const errno = whyNotWritable(join(path, "cgroup.procs"));
  if (errno !== undefined) throw refusal(cannot, errno, dirname(path));
  return path;
}
