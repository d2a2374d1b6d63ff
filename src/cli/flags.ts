// SPDX-License-Identifier: MIT
/** The flags of `run`: what they are, which of them go together, and what they alone ask for. */

import { existsSync } from "node:fs";
import { relative } from "node:path";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { CliError, exit } from "../errors.ts";
import type { Source } from "../native/guard-orders.ts";
import type { SystemOrders } from "../native/system-page.ts";
import type { ListenAddress } from "./args.ts";
import { demandGroup } from "./guards.ts";
import { checkHandlers, type HandlerOptions, wantsDoor } from "./handlers.ts";
import type { JournalOptions } from "./journaled.ts";
import { expectedAt } from "./latecomers.ts";
import { POWERS, type Power, programOf, withHookBound } from "./order.ts";
import { demandOrders, type OrderFlags, type OrderOptions } from "./orders.ts";
import { arePicky, byFlags, type Keeper } from "./powers.ts";

/** As given on the command line; what is not given there may stand in the config file. */
export interface RunFlags extends Partial<HandlerOptions>, OrderFlags {
  readonly journal?: string | "none";
  readonly config?: string;
  readonly cgroup: readonly string[];
  readonly limit?: number;
  readonly margin?: number;
  readonly name?: string;
  readonly listen?: readonly (ListenAddress | "none")[];
  readonly token: boolean;
  readonly tokenFile?: string;
  readonly openMetrics?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly keep?: true;
  /** true: whoever guards the groups; a number: that process, whatever it guards by now. */
  readonly replace?: true | number;
  readonly json?: true;
}

export type RunOptions = RunFlags &
  HandlerOptions &
  JournalOptions & {
    /** Only a config file gives it: the most kills of all guards in an hour. */
    readonly hourCap?: number;
    /** The same: the host as a whole. */
    readonly system?: SystemOrders;
    /** Only a config file gives it: by what it is known which processes there are. */
    readonly source?: Source;
  };

export const DEFAULT_CONFIG = "/etc/reprieve/reprieve.toml";

/** The config file that is to be read; undefined: none. */
export function configOf(
  argv: readonly string[],
  { config, cgroup }: RunFlags,
): string | undefined {
  if (config !== undefined || cgroup.length > 0 || argv.length > 0) return config;
  return existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
}

/** What the flags alone ask for. */
export function unconfigured(flags: RunFlags, memory: Hierarchy) {
  const options: RunOptions = { ...flags, handler: flags.handler ?? "outside" };
  const groups = new Set(flags.cgroup).size;
  checkHandlers(options, groups <= 1, options.allowKill !== undefined || groups === 0);
  demandOrders(memory, settingsOf(options, memory, memory.root).orders);
  const paths = new Set(flags.cgroup.map((given) => demandGroup(memory, given)));
  const wanted = [...paths].map((path) => settingsOf(options, memory, path));
  const isAllowed =
    groups === 0
      ? flags.denyKill === undefined
      : wanted.every(({ orders }) => orders.granted.has("kill"));
  checkHandlers(options, groups <= 1, isAllowed);
  const expected = groups === 0 ? undefined : expectedAt(wanted);
  return { options, wanted, expected };
}

/** In a group of our own we may do all; another one to move to is somebody else's. */
export function settingsOf(options: RunOptions, memory: Hierarchy, path: string, owned = false) {
  const { margin, delay, when, prefer = [], avoid = [] } = options;
  const order = withHookBound(options.order, options.hookBound);
  const weigh = [...prefer, ...avoid];
  const flag = byFlags(options);
  const whyNot = (power: Power): Keeper | undefined => {
    const about = power === "hooks" ? (programOf(order) ?? "") : `/${relative(memory.root, path)}`;
    const isOurs = owned && (power === "kill" || power === "limits");
    const by = flag(power, about) ?? (isOurs ? "--allow" : undefined);
    return by === "--allow" ? undefined : (by ?? "--allow");
  };
  const granted = new Set(POWERS.filter((power) => whyNot(power) === undefined));
  const orders: OrderOptions = {
    order,
    weigh,
    granted,
    handler: wantsDoor(options) ? "designated" : options.handler,
    ...(when !== undefined && { when }),
    ...(delay !== undefined && { delay }),
  };
  const decided = arePicky(options) ? { guard: undefined, whyNot } : undefined;
  return { path, margin, orders, ...(decided && { decided }) };
}

/** Flags that are right one by one and wrong together. */
export function checkTogether(
  argv: readonly string[],
  flags: RunFlags,
  isConfigured: boolean,
): void {
  const wrong = (why: string) => new CliError(exit.usage, why);
  const isExisting = flags.cgroup.length > 0 || isConfigured;
  if (isExisting && argv.length > 0) {
    throw wrong("give either --cgroup PATH, --config FILE or -- CMD, not both");
  }
  if (!isExisting && argv.length === 0) {
    throw wrong(`nothing to guard: give -- CMD ARGS..., --cgroup PATH, or write ${DEFAULT_CONFIG}`);
  }
  if ((flags.listen?.length ?? 0) > 1 && flags.listen?.includes("none")) {
    throw wrong("--listen none goes with no other --listen");
  }
  for (const flag of ["limit", "name", "keep"] as const) {
    if (isExisting && flags[flag] !== undefined) {
      throw wrong(`--${flag} goes with -- CMD, not with --cgroup: the group's owner decides that`);
    }
  }
  if (!isConfigured && flags.hookBound !== undefined && programOf(flags.order) === undefined) {
    throw wrong("--hook-bound goes with --order hook=PROGRAM");
  }
  if (!isExisting && flags.replace !== undefined) {
    throw wrong("--replace goes with --cgroup: CMD's own group is new");
  }
  if (!isExisting && flags.allowKill) {
    throw wrong("--allow-kill goes with --cgroup: in CMD's own group reprieve may always kill");
  }
  if (!isExisting && flags.allowLimits) {
    throw wrong("--allow-limits goes with --cgroup: CMD's own group has the limit you gave");
  }
}
