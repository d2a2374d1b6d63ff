// SPDX-License-Identifier: MIT
/** One standing order: its words, the power that it takes, and what hosts it goes with. Pure. */

import * as v from "valibot";
import type { Kind } from "../cgroup/kind.ts";
import { limit, order_bound_ms, order as orderNumber } from "../native/layout.ts";
import type { StandingOrder } from "../native/region.ts";
import { Size } from "./args.ts";
import { milliseconds } from "./timeline.ts";

export type OrderName = StandingOrder["order"];

export const POWERS = ["kill", "limits", "move"] as const;
export type Power = (typeof POWERS)[number];

export const POWER_OF: Readonly<Record<OrderName, Power>> = {
  RAISE: "limits",
  RECLAIM: "limits",
  MOVE: "move",
  FREEZE: "kill",
  KILL: "kill",
  KILL_GROUP: "kill",
  KILL_WHOLE: "kill",
};

const AN_ORDER =
  "an order is raise=SIZE or raise=SIZE:MOST, reclaim, freeze, move=GROUP, kill, kill-group or kill-group=all";
const ORDER = /^(raise|reclaim|freeze|move|kill|kill-group)(?:=(.+))?$/s;
const BARE: Readonly<Record<string, StandingOrder>> = {
  reclaim: { order: "RECLAIM" },
  freeze: { order: "FREEZE" },
  kill: { order: "KILL" },
  "kill-group": { order: "KILL_GROUP" },
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

export function wordOf(order: OrderName): string {
  return order === "KILL_WHOLE" ? "kill-group=all" : order.toLowerCase().replace("_", "-");
}

/** As it is given. */
export function textOf(one: StandingOrder): string {
  const word = wordOf(one.order);
  if (one.order === "MOVE") return `${word}=${one.to}`;
  if (one.order !== "RAISE") return word;
  const most = one.mostBytes === one.byBytes ? "" : `:${sizeOf(one.mostBytes)}`;
  return `${word}=${sizeOf(one.byBytes)}${most}`;
}

/** The first that is there before already. */
export function twiceIn(names: readonly OrderName[]): OrderName | undefined {
  return names.find((name, index) => names.indexOf(name) !== index);
}

/** The first that such a host does not know. */
export function strangeTo({ name }: Kind, names: readonly OrderName[]): OrderName | undefined {
  return names.find((one) => name === "v1" && V2_ONLY.includes(one));
}

/** A sentence where the last of them would come too late. */
export function whyTooLong(
  { name, delay }: Kind,
  names: readonly OrderName[],
  delayMs = delay.defaultMs,
): string | undefined {
  const patience = name === "v2" ? limit.V2_PATIENCE : 1;
  const bounds = names.slice(0, -1).map((one) => order_bound_ms[orderNumber[one]] ?? 0);
  const sumMs = bounds.reduce((sum, ms) => sum + ms, 0) * patience;
  if (sumMs === 0 || sumMs < delayMs) return undefined;
  return (
    `the orders before the last may take ${milliseconds(sumMs)} on cgroup ${name}, and the delay is ` +
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
  if (name === "move") {
    return value === undefined ? "move names a group: move=GROUP" : { order: "MOVE", to: value };
  }
  if (name === "kill-group" && value === "all") return { order: "KILL_WHOLE" };
  const bare = BARE[name];
  if (bare !== undefined && value === undefined) return bare;
  return name === "kill-group" ? "kill-group takes only =all" : `${name} takes no value`;
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
