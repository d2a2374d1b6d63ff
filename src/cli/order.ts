// SPDX-License-Identifier: MIT
/** One standing order: its words, the power that it takes, and what hosts it goes with. Pure. */

import * as v from "valibot";
import type { Kind } from "../cgroup/kind.ts";
import type { Hook, StandingOrder } from "../native/guard-orders.ts";
import { limit, order_bound_ms, order as orderNumber } from "../native/layout.ts";
import { commandOf, QUOTES, wordsOf } from "../native/words.ts";
import { milliseconds } from "../shown.ts";
import { Duration, Size } from "./args.ts";

export type OrderName = StandingOrder["order"];

export const POWERS = ["kill", "limits", "move", "hooks"] as const;
export type Power = (typeof POWERS)[number];

/** Undefined: it takes none. */
export const POWER_OF: Readonly<Record<OrderName, Power | undefined>> = {
  RAISE: "limits",
  RECLAIM: "limits",
  MOVE: "move",
  FREEZE: "kill",
  KILL: "kill",
  TERMINATE: "kill",
  KILL_GROUP: "kill",
  KILL_GROUP_ALL: "kill",
  HOOK: "hooks",
  HAND_OVER: undefined,
};

/** Why nothing could be done before the limit. */
export const BEFORE_WANTS_DELAY =
  'what is done before the limit takes a delay: give one, or when = "at-oom"';
export const BEFORE_WANTS_OURS =
  "a designated handler answers at the OOM: before it only reprieve's own acts";

const AN_ORDER =
  "an order is raise=SIZE or raise=SIZE:MOST, reclaim, freeze, move=GROUP, hook=PROGRAM, terminate or terminate=TIME, " +
  "kill, kill=largest|newest|fastest|weight, kill-group, kill-group=all or hand-over";
const ORDER = /^(raise|reclaim|freeze|move|hook|terminate|kill|kill-group|hand-over)(?:=(.+))?$/s;
const BARE: Readonly<Record<string, StandingOrder>> = {
  reclaim: { order: "RECLAIM" },
  freeze: { order: "FREEZE" },
  kill: { order: "KILL" },
  "kill-group": { order: "KILL_GROUP" },
  "hand-over": { order: "HAND_OVER" },
};
const KILL_BY: Readonly<Record<string, StandingOrder>> = {
  largest: { order: "KILL" },
  newest: { order: "KILL", by: "NEWEST" },
  fastest: { order: "KILL", by: "FASTEST" },
  weight: { order: "KILL", by: "WEIGHT" },
};
const V2_ONLY: readonly OrderName[] = ["RECLAIM", "FREEZE"];

/** One --order, or one of a guard's. */
export const Order = v.pipe(
  v.string(AN_ORDER),
  v.regex(ORDER, AN_ORDER),
  v.rawTransform(({ dataset, addIssue, NEVER }): StandingOrder => {
    const [, name = "", value] = ORDER.exec(dataset.value) ?? [];
    const made = orderOf(name, value);
    if (typeof made !== "string") return made;
    addIssue({ message: made });
    return NEVER;
  }),
);

/** What a config file, the flags and the feed call it. */
export function wordOf(order: OrderName): string {
  return order === "KILL_GROUP_ALL" ? "kill-group=all" : order.toLowerCase().replace("_", "-");
}

/** The same, with whom it takes: amounts, paths and commands are left out. */
export function briefOf(one: StandingOrder): string {
  const by = one.order === "KILL" ? one.by : undefined;
  return by === undefined ? wordOf(one.order) : `${wordOf(one.order)}=${by.toLowerCase()}`;
}

/** As it is given. */
export function textOf(one: StandingOrder): string {
  const word = briefOf(one);
  if (one.order === "MOVE") return `${word}=${one.to}`;
  if (one.order === "TERMINATE") return one.graceMs ? `${word}=${one.graceMs}ms` : word;
  if (one.order === "HOOK") return `${word}=${commandOf(one.argv)}`;
  if (one.order !== "RAISE") return word;
  const most = one.mostBytes === one.byBytes ? "" : `:${sizeOf(one.mostBytes)}`;
  return `${word}=${sizeOf(one.byBytes)}${most}`;
}

/** Those that take a power. */
export function poweredOf(orders: readonly StandingOrder[]) {
  return orders.flatMap(({ order }) => {
    const power = POWER_OF[order];
    return power === undefined ? [] : [{ order, power }];
  });
}

/** The first that is there before already. */
export function twiceIn(names: readonly OrderName[]): OrderName | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

/** A sentence where some would never be carried out. */
export function whyNeverReached(names: readonly OrderName[]): string | undefined {
  const behind = names[names.indexOf("HAND_OVER") + 1];
  if (!names.includes("HAND_OVER") || behind === undefined) return undefined;
  return `hand-over comes last: ${wordOf(behind)} behind it would never be carried out`;
}

/** The first that such a host does not know. */
export function strangeTo({ name }: Kind, names: readonly OrderName[]): OrderName | undefined {
  return names.find((one) => name === "v1" && V2_ONLY.includes(one));
}

/** How long relief by it is waited for, where it is not the last. */
export function boundMsOf({ name }: Kind, one: StandingOrder): number {
  if (one.order === "HOOK" && one.boundMs !== undefined) return one.boundMs;
  const patience = name === "v2" ? limit.V2_PATIENCE : 1;
  if (one.order === "TERMINATE" && one.graceMs !== undefined) {
    return one.graceMs + limit.VICTIM_BOUND_MS * patience;
  }
  return (order_bound_ms[orderNumber[one.order]] ?? 0) * patience;
}

/** That of the hook among them. */
export function programOf(orders: readonly StandingOrder[]): string | undefined {
  return orders.find((one) => one.order === "HOOK")?.argv[0];
}

/** With a bound for the hook among them. */
export function withHookBound(
  orders: readonly StandingOrder[],
  boundMs: number | undefined,
): readonly StandingOrder[] {
  return orders.map((one) => (one.order === "HOOK" ? { ...one, boundMs } : one));
}

/** A sentence where the last of them would come too late. */
export function whyTooLong(
  kind: Kind,
  orders: readonly StandingOrder[],
  delayMs = kind.delay.defaultMs,
): string | undefined {
  // What is last has the rest of the delay; in that, too, SIGKILL has to come and to do its work.
  const isLast = orders.at(-1)?.order === "TERMINATE";
  const bounds = orders.slice(0, isLast ? undefined : -1).map((one) => boundMsOf(kind, one));
  const sumMs = bounds.reduce((sum, ms) => sum + ms, 0);
  if (sumMs === 0 || sumMs < delayMs) return undefined;
  return (
    `${isLast ? "the orders" : "the orders before the last"} may take ${milliseconds(sumMs)} on cgroup ${kind.name}, and the delay is ` +
    `${milliseconds(delayMs)}: give fewer orders or a longer delay`
  );
}

// --- internal ---

/** 67108864 -> "64M". */
function sizeOf(bytes: number): string {
  const unit = [..."TGMK"].find((_, index) => bytes % 2 ** (10 * (4 - index)) === 0);
  return unit === undefined
    ? String(bytes)
    : `${bytes / 2 ** (10 * ("KMGT".indexOf(unit) + 1))}${unit}`;
}

/** The order, or why it is none. */
function orderOf(name: string, value: string | undefined): StandingOrder | string {
  if (name === "raise") return raiseOf(value);
  if (name === "hook") return hookOf(value);
  if (name === "terminate") return terminateOf(value);
  if (name === "move") {
    return value === undefined ? "move names a group: move=GROUP" : { order: "MOVE", to: value };
  }
  if (name === "kill-group" && value === "all") return { order: "KILL_GROUP_ALL" };
  if (name === "kill" && value !== undefined) {
    return KILL_BY[value] ?? "kill takes only =largest, =newest, =fastest or =weight";
  }
  const bare = BARE[name];
  if (bare !== undefined && value === undefined) return bare;
  return name === "kill-group" ? "kill-group takes only =all" : `${name} takes no value`;
}

function hookOf(command = ""): StandingOrder | string {
  const words = wordsOf(command);
  if (words === undefined) return QUOTES;
  const [program, ...args] = words;
  if (program === undefined || !program.startsWith("/")) {
    return "hook names a program by its path: hook=/usr/local/bin/free-caches";
  }
  const argv: Hook["argv"] = [program, ...args];
  if (Buffer.byteLength(commandOf(argv)) < limit.PATH_BYTES) return { order: "HOOK", argv };
  return `a hook's command has at most ${limit.PATH_BYTES - 1} bytes`;
}

function terminateOf(value: string | undefined): StandingOrder | string {
  if (value === undefined) return { order: "TERMINATE" };
  const { output, success } = v.safeParse(Duration, value);
  return success && output > 0
    ? { order: "TERMINATE", graceMs: output }
    : "terminate takes the time from SIGTERM to SIGKILL: terminate=40ms";
}

function raiseOf(value = ""): StandingOrder | string {
  const [by = "", most = by, ...more] = value.split(":");
  const sizes = [by, most].map((text) => v.safeParse(Size, text));
  const [byBytes, mostBytes] = sizes.map(({ output }) => Number(output));
  if (more.length > 0 || !sizes.every(({ success }) => success)) {
    return "raise is by a size, and by at most another: raise=64M or raise=64M:256M";
  }
  if (byBytes === undefined || mostBytes === undefined || mostBytes < byBytes) {
    return "the most that raise may add in all is no less than what it adds at once";
  }
  return { order: "RAISE", byBytes, mostBytes };
}
