// SPDX-License-Identifier: MIT
/** The standing orders of a run: which are given, whether they go together, and the powers that they take. */

import { dirname, join } from "node:path";
import * as v from "valibot";
import { whyNotWritable } from "../cgroup/files.ts";
import { resolveGroup } from "../cgroup/group.ts";
import { type Hierarchy, refusal } from "../cgroup/hierarchy.ts";
import { type Kind, kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { limit, order_bound_ms, order as orderNumber } from "../native/layout.ts";
import type { StandingOrder } from "../native/region.ts";
import { Size } from "./args.ts";
import { milliseconds, visible } from "./timeline.ts";

type OrderName = StandingOrder["order"];
type Power = "kill" | "limits" | "move";

const ORDER = /^(raise|reclaim|freeze|move|kill|kill-group)(?:=(.+))?$/s;
const BARE: Readonly<Record<string, StandingOrder>> = {
  reclaim: { order: "RECLAIM" },
  freeze: { order: "FREEZE" },
  kill: { order: "KILL" },
  "kill-group": { order: "KILL_GROUP" },
};
const POWER_OF: Readonly<Record<OrderName, Power>> = {
  RAISE: "limits",
  RECLAIM: "limits",
  MOVE: "move",
  FREEZE: "kill",
  KILL: "kill",
  KILL_GROUP: "kill",
  KILL_WHOLE: "kill",
};
const V2_ONLY: readonly OrderName[] = ["RECLAIM", "FREEZE"];

/** One --order. */
export const Order = v.pipe(
  v.string(),
  v.regex(
    ORDER,
    "an order is raise=SIZE or raise=SIZE:MOST, reclaim, freeze, move=GROUP, kill, kill-group or kill-group=all",
  ),
  v.rawTransform(({ dataset, addIssue, NEVER }): StandingOrder => {
    const [, name = "", value] = ORDER.exec(dataset.value) ?? [];
    const made = orderOf(name, value);
    if (typeof made !== "string") return made;
    addIssue({ message: made });
    return NEVER;
  }),
);

export interface OrderOptions {
  readonly order: readonly StandingOrder[];
  readonly allowKill?: true;
  readonly allowLimits?: true;
  readonly allowMove?: true;
  readonly delay?: number;
  readonly handler: "outside" | "inside" | "designated";
}

/** What a guard is ordered: the powers among them that are granted and that an order needs. */
export interface Standing {
  readonly orders: readonly StandingOrder[];
  readonly allowKill: boolean;
  readonly allowLimits: boolean;
  readonly allowMove: boolean;
}

export function standingOf(
  memory: Hierarchy,
  options: OrderOptions,
  guarded: string,
  owned: boolean,
): Standing {
  const kind = kindOf(memory);
  const given: readonly StandingOrder[] =
    options.order.length > 0 ? options.order : [{ order: "KILL" }];
  demandTogether(kind, given, options);
  const orders = given.map((one) =>
    one.order === "MOVE" ? { ...one, to: demandTarget(memory, one.to, guarded) } : one,
  );
  const granted = grantedOf(options, owned);
  const allows = (power: Power) =>
    granted.has(power) && orders.some(({ order }) => POWER_OF[order] === power);
  return {
    orders,
    allowKill: allows("kill"),
    allowLimits: allows("limits"),
    allowMove: allows("move"),
  };
}

/** Sentences about powers that lack, and about those that nothing needs. */
export function warningsOf({ orders }: Standing, options: OrderOptions, owned: boolean): string[] {
  const granted = grantedOf(options, owned);
  const isAnyGranted = orders.some(({ order }) => granted.has(POWER_OF[order]));
  const lacking = orders
    .filter(({ order }) => isAnyGranted && !granted.has(POWER_OF[order]))
    .map(
      ({ order }) =>
        `--order ${cliName(order)} is only observed: --allow-${POWER_OF[order]} lets it act`,
    );
  const idle = [...granted]
    .filter((power) => !owned && !orders.some(({ order }) => POWER_OF[order] === power))
    .map((power) => `--allow-${power} is for nothing: no --order needs it`);
  return [...lacking, ...idle];
}

// --- internal ---

/** Of CMD's own group reprieve may do all; another group to move to is somebody else's. */
function grantedOf(options: OrderOptions, owned: boolean): ReadonlySet<Power> {
  const granted = new Set<Power>();
  if (owned || options.allowKill) granted.add("kill");
  if (owned || options.allowLimits) granted.add("limits");
  if (options.allowMove) granted.add("move");
  return granted;
}

function cliName(order: OrderName): string {
  return order === "KILL_WHOLE" ? "kill-group=all" : order.toLowerCase().replace("_", "-");
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

function demandTogether(
  kind: Kind,
  orders: readonly StandingOrder[],
  { delay = kind.delay.defaultMs, handler }: OrderOptions,
): void {
  const wrong = (why: string) => new CliError(exit.usage, why);
  const names = orders.map(({ order }) => order);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(`--order ${cliName(twice)} is given twice`);
  const strange = names.find((name) => kind.name === "v1" && V2_ONLY.includes(name));
  if (strange !== undefined) {
    throw wrong(`--order ${cliName(strange)} needs cgroup v2, and memory is on v1 here`);
  }
  if (names.includes("KILL_WHOLE") && handler === "inside") {
    throw wrong("--order kill-group=all would kill the handler: give --handler outside");
  }
  const patience = kind.name === "v2" ? limit.V2_PATIENCE : 1;
  const bounds = names.slice(0, -1).map((name) => order_bound_ms[orderNumber[name]] ?? 0);
  const sumMs = bounds.reduce((sum, ms) => sum + ms, 0) * patience;
  if (sumMs > 0 && sumMs >= delay) {
    throw wrong(
      `the orders before the last may take ${milliseconds(sumMs)}, and --delay is ` +
        `${milliseconds(delay)}: give fewer orders or a longer delay`,
    );
  }
}

/** The group that a process may be moved to. */
function demandTarget(memory: Hierarchy, given: string, guarded: string): string {
  const path = resolveGroup(memory, given);
  const cannot = `cannot move to ${visible(path)}`;
  if (`${path}/`.startsWith(`${guarded}/`)) {
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
