// SPDX-License-Identifier: MIT
/**
 * `reprieve run`: makes a guarded group for a command, or guards groups that exist.
 *
 * Everything that is changed is put on `undo` at once, and undone in reverse order however this ends.
 */

import { closeSync, existsSync } from "node:fs";
import { join } from "node:path";
import { Agent, type GuardSpec } from "../agent/agent.ts";
import { giveBackText } from "../agent/footprint.ts";
import { RunDir, runBases } from "../agent/run-dir.ts";
import { readIfThere, whyNotWritable } from "../cgroup/files.ts";
import { emptyGroup, homeOf, makeGroup, processesOf, removeGroup } from "../cgroup/group.ts";
import { type Hierarchy, refusal, requireMemory } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import type { Message } from "../feed/protocol.ts";
import { type Core, openCore } from "../native/core.ts";
import { type CoreImage, findCore } from "../native/embed.ts";
import type { ListenAddress } from "./args.ts";
import { type Command, exitCodeOf, findProgram, Signals, startCommand } from "./command.ts";
import {
  demandGroup,
  LeftOut,
  NO_GROUP_LEFT,
  prepareGuards,
  renewGuard,
  type Wanted,
} from "./guards.ts";
import {
  checkHandlers,
  type HandlerOptions,
  openDoorIfWanted,
  startUserHandlers,
  userCommand,
} from "./handlers.ts";
import { LateFeed } from "./late-feed.ts";
import { demandOrders, grantedBy, type OrderFlags, type OrderOptions } from "./orders.ts";
import { END_BOUND_MS, Lines, say } from "./output.ts";
import { awaitEnd, findRunning, takeOver } from "./replace.ts";
import { bytes, linesOf, visible } from "./timeline.ts";

/** As given on the command line; what is not given there may stand in the config file. */
export interface RunFlags extends Partial<HandlerOptions>, OrderFlags {
  readonly config?: string;
  readonly cgroup: readonly string[];
  readonly limit?: number;
  readonly margin?: number;
  readonly name?: string;
  readonly listen?: ListenAddress | "none";
  readonly token: boolean;
  readonly keep?: true;
  readonly replace?: true;
  readonly json?: true;
}

export type RunOptions = RunFlags &
  HandlerOptions & {
    /** Only a config file gives it: the most kills of all guards in an hour. */
    readonly hourCap?: number;
  };

const DEFAULT_CONFIG = "/etc/reprieve/reprieve.toml";
const LIMIT_SHARE_OF_AVAILABLE = 0.9;
const KEEP_TICK_MS = 1000;
const TRIM_AFTER_MS = 1000;

/** What the steps of a run share. */
interface Run {
  readonly options: RunOptions;
  readonly memory: Hierarchy;
  /** Groups that exist; none: one is made for CMD. */
  readonly wanted: readonly Wanted[];
  readonly leftOut: LeftOut;
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
  readonly signals: Signals;
}

/** Returns the exit code. */
export async function run(argv: readonly string[], flags: RunFlags): Promise<number> {
  const config = configOf(argv, flags);
  checkTogether(argv, flags, config !== undefined);
  const [name] = argv;
  const command = name === undefined ? undefined : { program: findProgram(name), argv };
  const memory = requireMemory();
  const leftOut = new LeftOut();
  // Groups first: most mistakes are found before anything is changed.
  const { options, wanted } =
    config === undefined
      ? unconfigured(flags, memory)
      : (await import("./configured.ts")).configured(config, flags, memory, leftOut);
  warnOfDelay(
    memory,
    Math.max(options.delay ?? 0, ...wanted.map(({ orders }) => orders.delay ?? 0)),
  );
  const lines = options.json ? new Lines(1, "JSON lines") : undefined;
  try {
    await using undo = new AsyncDisposableStack();
    const core = openCore();
    const state = { options, memory, wanted, leftOut, core, undo, signals: new Signals(core) };
    return await guardAndWait(state, command, lines);
  } finally {
    await lines?.end(END_BOUND_MS);
  }
}

/** Puts back what the dead left, then makes our directory with the ledger. */
export async function makeRunDir({ core, undo }: Pick<Run, "core" | "undo">, guards: number) {
  const runDir = new RunDir(undo);
  const image = findCore(() => runDir.make(), ["release", ...runBases()]);
  const fd = runDir.makeWith((ledger) => core.createLedger(ledger, guards));
  let isOpen = true;
  const close = () => {
    if (isOpen) closeSync(fd);
    isOpen = false;
  };
  undo.defer(close);
  return { image, runDir, ledger: { fd, close } };
}

// --- internal ---

async function guardAndWait(
  state: Run,
  command: Command | undefined,
  lines: Lines | undefined,
): Promise<number> {
  const { options, core, undo, signals, leftOut } = state;
  const home = command === undefined ? undefined : demandHome(state.memory);
  const { image, runDir, ledger } = await makeRunDir(state, state.wanted.length || 1);
  void signals.listen();
  const feed = new LateFeed(options, runDir, undo);
  // With --replace its port may be the old one's.
  if (!options.replace) await feed.open();
  const send = (message: Message) => {
    lines?.write(JSON.stringify(message));
    feed.send(message);
    if (lines === undefined) for (const line of linesOf(message)) say(line);
  };
  const own = home === undefined ? undefined : makeOwnGroup(state, home, runDir.name);
  const wanted = own === undefined ? state.wanted : [{ ...settingsOf(options, true), path: own }];
  const prepared = prepareGuards(state, wanted, own !== undefined, leftOut);
  const { guards, kept, locks, others } = prepared;
  prepared.remarks.forEach(say);
  if (guards.length === 0) throw new CliError(exit.noGroup, NO_GROUP_LEFT);
  const running = findRunning(core, others, runDir.name, undo);
  guards.forEach(({ path, owned }, index) => {
    core.addToLedger(ledger.fd, index, path, owned);
  });
  const handlerInside = options.handler === "inside";
  const userHandler = userCommand(options, guards);
  const door = openDoorIfWanted(state, runDir.base);
  const listener = door?.listener;
  const renew = (index: number) => {
    const guard = renewGuard(state, locks, kept[index]);
    core.addToLedger(ledger.fd, index, guard.path, guard.owned);
    return guard;
  };
  const { hourCap } = options;
  const agent = new Agent(
    { core, image, runDir, guards, hourCap, handlerInside, listener, renew, send, say },
    ledger.fd,
  );
  undo.defer(() =>
    agent.stop(() => {
      ledger.close();
      locks.close();
    }),
  );
  await agent.attach();
  await takeOver(core, locks, running);
  await agent.arm();
  agent.lacks.forEach(say);
  if (options.replace) {
    await awaitEnd(core, running);
    await feed.open();
    const why = door?.takeName();
    if (why !== undefined) say(why);
  }
  if (door !== undefined && userHandler !== undefined) {
    startUserHandlers(state, image, door, userHandler, guards);
  }
  if (door !== undefined) {
    const seen = agent.seeSleep();
    undo.defer(() => seen);
  }
  const trim = setTimeout(() => giveBackText(core), TRIM_AFTER_MS);
  undo.defer(() => clearTimeout(trim));
  if (feed.line !== undefined) say(feed.line);
  if (signals.received !== undefined) return command === undefined ? exit.ok : signals.code;
  if (own === undefined || command === undefined)
    return await waitForSignal(signals, agent, guards);
  return await runCommand(state, agent, image, own, command);
}

async function waitForSignal(
  signals: Signals,
  agent: Agent,
  guards: readonly GuardSpec[],
): Promise<number> {
  const ended = await Promise.race([signals.first, agent.allGone]);
  if (ended !== undefined) return exit.ok;
  throw new CliError(
    exit.noGroup,
    `nothing left to guard, somebody removed ${guards.map(({ path }) => visible(path)).join(", ")}`,
  );
}

async function runCommand(
  { options, signals }: Run,
  agent: Agent,
  image: CoreImage,
  group: string,
  command: Command,
): Promise<number> {
  const started = startCommand(image.path, group, command);
  signals.passTo(started);
  const code = await exitCodeOf(started);
  const spared = () => (agent.pidInside === undefined ? [] : [agent.pidInside]);
  const isLeft = () => processesOf(group).some((pid) => !spared().includes(pid));
  while (options.keep && signals.received === undefined && isLeft()) {
    await Promise.race([signals.first, Bun.sleep(KEEP_TICK_MS)]);
  }
  if (!(await emptyGroup(group, spared()))) say(`some processes in ${group} do not die`);
  return code;
}

/** The config file that is to be read; undefined: none. */
function configOf(argv: readonly string[], { config, cgroup }: RunFlags): string | undefined {
  if (config !== undefined || cgroup.length > 0 || argv.length > 0) return config;
  return existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
}

/** What the flags alone ask for. */
function unconfigured(flags: RunFlags, memory: Hierarchy) {
  const options: RunOptions = { ...flags, handler: flags.handler ?? "outside" };
  const groups = new Set(flags.cgroup).size;
  checkHandlers(options, groups, options.allowKill ?? groups === 0);
  demandOrders(memory, options);
  const paths = new Set(flags.cgroup.map((given) => demandGroup(memory, given)));
  return { options, wanted: [...paths].map((path) => ({ ...settingsOf(options), path })) };
}

/** In a group of our own we may do all; another one to move to is somebody else's. */
function settingsOf(options: RunOptions, owned = false) {
  const { margin, order, delay, handler } = options;
  const granted = new Set([...grantedBy(options), ...(owned ? (["kill", "limits"] as const) : [])]);
  const orders: OrderOptions = { order, granted, handler, ...(delay !== undefined && { delay }) };
  return { margin, orders };
}

/** Flags that are right one by one and wrong together. */
function checkTogether(argv: readonly string[], flags: RunFlags, isConfigured: boolean): void {
  const wrong = (why: string) => new CliError(exit.usage, why);
  const isExisting = flags.cgroup.length > 0 || isConfigured;
  if (isExisting && argv.length > 0) {
    throw wrong("give either --cgroup PATH, --config FILE or -- CMD, not both");
  }
  if (!isExisting && argv.length === 0) {
    throw wrong(`nothing to guard: give -- CMD ARGS..., --cgroup PATH, or write ${DEFAULT_CONFIG}`);
  }
  for (const flag of ["limit", "name", "keep"] as const) {
    if (isExisting && flags[flag] !== undefined) {
      throw wrong(`--${flag} goes with -- CMD, not with --cgroup: the group's owner decides that`);
    }
  }
  if (!isExisting && flags.replace) {
    throw wrong("--replace goes with --cgroup: CMD's own group is new");
  }
  if (!isExisting && flags.allowKill) {
    throw wrong("--allow-kill goes with --cgroup: in CMD's own group reprieve may always kill");
  }
  if (!isExisting && flags.allowLimits) {
    throw wrong("--allow-limits goes with --cgroup: CMD's own group has the limit you gave");
  }
}

function warnOfDelay(memory: Hierarchy, delayMs = 0): void {
  const { longMs, why } = kindOf(memory).delay;
  if (delayMs > longMs) say(`a delay of ${delayMs / 1000} s is long: ${why}`);
}

/** The directory in which the group for CMD is made. */
function demandHome(memory: Hierarchy): string {
  const home = homeOf(memory);
  if (home !== undefined) return home;
  const cannot = `cannot make a group in ${memory.root}, we are in ${memory.own}`;
  const errno = whyNotWritable(memory.root);
  if (errno === "EROFS") throw refusal(cannot, errno, memory.root);
  throw new CliError(exit.notPermitted, `${cannot}: ${kindOf(memory).whyNoHome(memory)}`);
}

/** Makes the group for CMD; what is in it at the end is killed with it. */
function makeOwnGroup({ options, memory, undo }: Run, home: string, defaultName: string): string {
  const path = join(home, `reprieve-${options.name ?? defaultName}`);
  const limitBytes = options.limit ?? defaultLimit(memory);
  makeGroup(kindOf(memory), path, limitBytes);
  undo.defer(async () => {
    await emptyGroup(path, []);
    if (!(await removeGroup(path))) say(`cannot remove ${path}: it is still busy`);
  });
  if (options.limit === undefined)
    say(`no --limit given: ${bytes(limitBytes)}, 90 % of what is free`);
  return path;
}

function defaultLimit(memory: Hierarchy): number {
  const meminfo = readIfThere("/proc/meminfo") ?? "";
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const free = Math.min(available, kindOf(memory).roomOf(memory));
  const page = 4096;
  return Math.floor((free * LIMIT_SHARE_OF_AVAILABLE) / page) * page;
}
