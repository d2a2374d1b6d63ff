// SPDX-License-Identifier: MIT
/** What a config file asks of `run`, with the flags that win over it. Loaded only where one is used. */

import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { resolveGroup, treeOf } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { weighOf } from "../config/guard-schema.ts";
import { load, stampOf } from "../config/load.ts";
import { lineOf } from "../config/mistakes.ts";
import { holderOf, isExact } from "../config/pattern.ts";
import { listOf, type Policy, policyOf } from "../config/policy.ts";
import type { Config, Guard } from "../config/schema.ts";
import { CliError, exit } from "../errors.ts";
import { limit } from "../native/layout.ts";
import type { SystemOrders } from "../native/system-page.ts";
import { visible } from "../shown.ts";
import type { RunFlags, RunOptions } from "./flags.ts";
import { demandGroup, type LeftOut, type Wanted } from "./guards.ts";
import { checkHandlers, wantsDoor } from "./handlers.ts";
import { type Expected, expectedAt, listsOf } from "./latecomers.ts";
import { POWERS, type Power, programOf, withHookBound } from "./order.ts";
import { demandOrders } from "./orders.ts";
import { say } from "./output.ts";
import { byFlags } from "./powers.ts";

export interface Configured {
  readonly options: RunOptions;
  readonly expected: Expected;
  /** A change of the file is put into effect by itself. */
  readonly watches: boolean;
  /** Of the file as it was read (config/load.ts). */
  readonly stamp: string;
  /** No group is guarded, only the host as a whole. */
  readonly isSystemOnly: boolean;
}

/** Throws a CliError; all mistakes but the last have been said by then. */
export function configured(
  file: string,
  flags: RunFlags,
  memory: Hierarchy,
  leftOut: LeftOut,
): Configured & { wanted: Wanted[] } {
  const { options, expected, ...more } = reconfigured(file, flags, memory);
  for (const path of expected.named ?? []) demandGroup(memory, path);
  const wanted = wantedOf(expected, memory, leftOut);
  const isOne = expected.named !== undefined && wanted.length === 1;
  const isAllowed = wanted.every(({ orders }) => orders.granted.has("kill"));
  checkHandlers(options, isOne, isAllowed);
  return { options, wanted, expected, ...more };
}

/** The same for groups that are guarded already: those that were named may come later. */
export function reconfigured(file: string, flags: RunFlags, memory: Hierarchy): Configured {
  const stamp = stampOf(file);
  const config = demandConfig(file);
  const options = optionsOf(config, flags);
  const expected = expectedOf(config, options, memory);
  const isSystemOnly = config.guard.length === 0 && flags.cgroup.length === 0;
  return { options, expected, watches: config.reload.watch, stamp, isSystemOnly };
}

/** A reload may bring so many more lists of prefer and avoid, 2 KB each in the region. */
const LISTS_MORE = 16;

/** Of the groups of reprieve's own: nobody means them by a glob. */
export const OURS = /(^|\/)reprieve-(helpers|doctor)-[^/]*(\/|$)/;

/** What a file says, for a command that only tells of it. Throws as configured(). */
export function readPolicy(file: string, memory: Hierarchy) {
  const config = demandConfig(file);
  const options = optionsOf(config, { cgroup: [], order: [], token: true });
  const policy = policyOf(config);
  return {
    config,
    policy,
    settingsOf: (path: string) => settingsOf(memory, options, policy, path),
    /** Why a run with this guard would not start here; undefined: it would. */
    whyNotStarted: (guard: Guard) => messageOf(() => demandOrdersOf(memory, options, guard)),
  };
}

/** A group's path as a config file has it. */
export function below(memory: Hierarchy, path: string): string {
  return `/${relative(memory.root, path)}`;
}

function messageOf(demand: () => void): string | undefined {
  try {
    demand();
    return undefined;
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}

function demandConfig(file: string): Config {
  const { config, mistakes, untrusted } = load(file);
  if (untrusted.length > 0) {
    throw new CliError(exit.unsafe, `refusing the config: ${untrusted.map(visible).join("; ")}`);
  }
  if (config !== undefined) return config;
  const lines = mistakes.map(lineOf);
  for (const line of lines.slice(0, -1)) say(line);
  throw new CliError(exit.badConfig, lines.at(-1) ?? "");
}

function optionsOf(config: Config, flags: RunFlags): RunOptions {
  const { handler, caps, sampling, journal } = config;
  const { where, command, socket, mode } = handler;
  const system = systemOf(config, flags);
  return {
    ...(system !== undefined && { system }),
    ...feedOf(config),
    ...(caps.hour !== undefined && { hourCap: caps.hour }),
    source: sampling.source,
    handler: where,
    ...(journal.path !== undefined && { journal: journal.path }),
    ...(config.export !== undefined && { exports: config.export }),
    keepDays: journal.keep_days,
    keepBytes: journal.keep_size,
    ...(command !== undefined && { handlerCommand: command }),
    ...(socket !== undefined && { handlerSocket: socket }),
    ...(mode !== undefined && { handlerMode: mode }),
    ...flags,
    // There is no flag that asks for one.
    token: flags.token && config.feed.token,
  };
}

/** What [feed] asks for; a path in it is absolute. */
function feedOf({ feed }: Config) {
  const { listen, open_metrics, token_file, tls_cert, tls_key } = feed;
  return {
    ...(listen !== undefined && { listen: [listen].flat() }),
    openMetrics: open_metrics,
    ...(token_file !== undefined && { tokenFile: token_file }),
    ...(tls_cert !== undefined && { tlsCert: tls_cert }),
    ...(tls_key !== undefined && { tlsKey: tls_key }),
  };
}

/** What [system] asks for; undefined: nothing. */
function systemOf(
  { system, allow, deny, caps }: Config,
  { denyKill }: RunFlags,
): SystemOrders | undefined {
  if (system === undefined) return undefined;
  const { memory, swap, pressure, hand_over, prefer, avoid } = system;
  return {
    memory,
    swap,
    pressure: pressure ?? { at: [0, 0], of: "full", over: 0 },
    allowed:
      (allow.system || allow.kill === true) &&
      !deny.system &&
      deny.kill !== true &&
      denyKill !== true,
    handsOver: hand_over,
    incidentCap: system.caps?.incident ?? limit.KILLS_PER_INCIDENT_MAX,
    hourCap: system.caps?.hour ?? caps.hour ?? 0,
    weigh: [...(prefer ?? []), ...(avoid ?? [])],
  };
}

/** With --cgroup those groups, as the guards that match them say; else all that a guard matches. */
function expectedOf(config: Config, options: RunOptions, memory: Hierarchy): Expected {
  const policy = policyOf(config, byFlags(options));
  const guardOf = (path: string) => policy.guardOf(below(memory, path));
  const settings = (path: string) => settingsOf(memory, options, policy, path);
  const lists = listsOf([undefined, ...config.guard].map((one) => ordersOf(memory, options, one)));
  const parts = { isOrdered: true, weighings: lists.length + LISTS_MORE };
  if (options.cgroup.length > 0) {
    const paths = new Set(options.cgroup.map((given) => pathOf(memory, given)));
    const guards = new Set([...paths].map(guardOf));
    for (const guard of guards) demandOrdersOf(memory, options, guard);
    return { ...expectedAt([...paths].map(settings)), parts, lists };
  }
  for (const guard of config.guard) demandOrdersOf(memory, options, guard);
  const named = namedBy(config, policy).map((path) => `${memory.root}${path}`);
  const exact = new Set(named);
  const wantedAt = (path: string) => {
    const guard = OURS.test(path) ? undefined : guardOf(path);
    if (guard === undefined) return undefined;
    return { ...settings(path), ...(!exact.has(path) && { foundBy: guard.name }) };
  };
  const holders = config.guard.flatMap(({ cgroup }) => listOf(cgroup).map(holderOf));
  const mayHold = (path: string) =>
    !OURS.test(path) && holders.some((holds) => holds(below(memory, path)));
  return {
    wantedAt,
    mayHold,
    named: hasGlob(config) ? undefined : named,
    arePinned: false,
    parts,
    lists,
  };
}

/** Of a group that is named by a flag, where it is there or has been. */
function pathOf(memory: Hierarchy, given: string): string {
  const path = resolve(memory.root, given.startsWith("/") ? given : `./${given}`);
  return existsSync(path) ? resolveGroup(memory, given) : path;
}

/** Of the groups that are there; one that was named can be guarded, or there is no start. */
function wantedOf({ named, wantedAt }: Expected, memory: Hierarchy, leftOut: LeftOut): Wanted[] {
  const paths = named ?? treeOf(memory.root).filter((path) => path !== memory.root);
  return paths.flatMap((path) => {
    const one = wantedAt(path);
    if (one === undefined) return [];
    return leftOut.attempt(one, () => demandGroup(memory, path)) === undefined ? [] : [one];
  });
}

function settingsOf(memory: Hierarchy, options: RunOptions, policy: Policy, path: string) {
  const group = below(memory, path);
  const guard = policy.guardOf(group);
  const orders = ordersOf(memory, options, guard);
  const program = programOf(orders.order) ?? "";
  const whyNot = (power: Power) => policy.whyNot(power, power === "hooks" ? program : group);
  const granted = new Set(POWERS.filter((power) => whyNot(power) === undefined));
  return {
    path,
    margin: options.margin ?? guard?.margin,
    caps: guard?.caps,
    sampling: guard?.sampling,
    orders: { ...orders, granted },
    decided: { guard: guard?.name, whyNot },
  };
}

/** The guard's, with the flags that win over it. */
function ordersOf(memory: Hierarchy, options: RunOptions, guard?: Guard) {
  const delay = options.delay ?? guard?.delay;
  const when = options.when ?? guard?.when;
  // In the file a path is one below the hierarchy.
  const given = guard?.orders.map((one) =>
    one.order === "MOVE" ? { ...one, to: `${memory.root}${one.to}` } : one,
  );
  return {
    order: withHookBound(
      isByFlags(options) ? options.order : (given ?? []),
      options.hookBound ?? guard?.hook_bound,
    ),
    weigh: weighOf({
      prefer: options.prefer ?? guard?.prefer,
      avoid: options.avoid ?? guard?.avoid,
    }),
    handler: wantsDoor(options) ? ("designated" as const) : options.handler,
    ...(when !== undefined && { when }),
    ...(delay !== undefined && { delay }),
  };
}

function isByFlags({ order }: RunOptions): boolean {
  return order.length > 0;
}

function demandOrdersOf(memory: Hierarchy, options: RunOptions, guard?: Guard): void {
  const orders = ordersOf(memory, options, guard);
  demandOrders(memory, orders, isByFlags(options) ? undefined : guard?.name);
}

/** Groups that are given by their path, and guarded by somebody. */
function namedBy({ guard }: Config, policy: Policy): string[] {
  const patterns = guard.flatMap(({ cgroup }) => listOf(cgroup));
  return patterns.filter((path) => isExact(path) && policy.guardOf(path) !== undefined);
}

function hasGlob({ guard }: Config): boolean {
  return guard.some(({ cgroup }) => listOf(cgroup).some((pattern) => !isExact(pattern)));
}
