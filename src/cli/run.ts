// SPDX-License-Identifier: MIT
/**
 * `reprieve run`: makes a guarded group for a command, or guards groups that exist.
 *
 * Everything that is changed is put on `undo` at once, and undone in reverse order however this ends.
 */

import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { Agent, type GuardSpec } from "../agent/agent.ts";
import { keepTextSmall } from "../agent/footprint.ts";
import { Notify } from "../agent/notify.ts";
import { reapOrphans } from "../agent/orphans.ts";
import { RunDir, runBases } from "../agent/run-dir.ts";
import { newRun } from "../agent/run-id.ts";
import type { UserHandlers } from "../agent/user-handlers.ts";
import { emptyGroup, processesOf } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, openCore } from "../native/core.ts";
import { type CoreImage, findCore } from "../native/embed.ts";
import { openAudience } from "./audience.ts";
import { type Command, exitCodeOf, findProgram, Signals, startCommand } from "./command.ts";
import {
  checkTogether,
  configOf,
  type RunFlags,
  type RunOptions,
  settingsOf,
  unconfigured,
} from "./flags.ts";
import { LeftOut, NO_GROUP_LEFT, type Prepared, prepareGuards, type Wanted } from "./guards.ts";
import { demandHandler, openDoorIfWanted, startUserHandlers, userCommand } from "./handlers.ts";
import { type Expected, Latecomers, roomOf } from "./latecomers.ts";
import { END_BOUND_MS, Lines, say } from "./output.ts";
import { demandHome, demandPlace, isSmallPlace, makeOwnGroup } from "./own-group.ts";
import { announceIfAsked, findRunning, takeNames, takeOver } from "./replace.ts";
import { waitOnly, watchSystem } from "./system.ts";
import { visible } from "./timeline.ts";

const KEEP_TICK_MS = 1000;
const NO_GROUP_YET = "no group is there that could be guarded: waiting for the first";

/** What the steps of a run share. */
export interface Run {
  readonly options: RunOptions;
  readonly memory: Hierarchy;
  /** Groups that exist. */
  readonly wanted: readonly Wanted[];
  /** Those that may come; undefined: one is made for CMD. */
  readonly expected: Expected | undefined;
  readonly leftOut: LeftOut;
  /** No group is guarded, only the host as a whole. */
  readonly isSystemOnly: boolean;
  readonly core: Core;
  readonly undo: AsyncDisposableStack;
  readonly signals: Signals;
  /** undefined: there is no config file. */
  readonly rules: Rules | undefined;
  readonly reloading: Reloading;
  /** undefined: CMD is the service, if this is one. */
  readonly notify: Notify | undefined;
}

interface Rules {
  readonly file: string;
  readonly flags: RunFlags;
  readonly watches: boolean;
  readonly stamp: string;
}

interface Reloading {
  /** From when all is armed on. */
  reloader?: { reload(): void };
  /** It was asked for before. */
  isAsked?: boolean;
}

/** Returns the exit code. */
export async function run(argv: readonly string[], flags: RunFlags): Promise<number> {
  const file = configOf(argv, flags);
  const config = file === undefined ? undefined : resolve(file);
  checkTogether(argv, flags, config !== undefined);
  const [name] = argv;
  const command = name === undefined ? undefined : { program: findProgram(name), argv };
  const memory = demandPlace(command !== undefined);
  const leftOut = new LeftOut();
  // Groups first: most mistakes are found before anything is changed.
  const { options, wanted, expected, watches, stamp, isSystemOnly } =
    config === undefined
      ? { ...unconfigured(flags, memory), watches: false, stamp: "", isSystemOnly: false }
      : (await import("./configured.ts")).configured(config, flags, memory, leftOut);
  warnOfDelay(
    memory,
    Math.max(options.delay ?? 0, ...wanted.map(({ orders }) => orders.delay ?? 0)),
  );
  const lines = options.json ? new Lines(1, "JSON lines") : undefined;
  try {
    await using undo = new AsyncDisposableStack();
    const core = openCore();
    const rules = config === undefined ? undefined : { file: config, flags, watches, stamp };
    const reloading: Reloading = {};
    const notify = command === undefined ? new Notify(core) : undefined;
    const reload = () => {
      const { reloader } = reloading;
      if (reloader === undefined) reloading.isAsked = true;
      else notify?.reloading(() => reloader.reload());
    };
    const signals = new Signals(core, rules && reload);
    reapOrphans(core, undo);
    const state = {
      options,
      memory,
      wanted,
      expected,
      leftOut,
      core,
      undo,
      signals,
      rules,
      isSystemOnly,
      reloading,
      notify,
    };
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
  const { options, core, undo, signals, leftOut, expected, notify } = state;
  const home = command === undefined ? undefined : demandHome(state.memory);
  const { image, runDir, ledger } = await makeRunDir(state, guardsOf(state));
  void signals.listen();
  const run = newRun();
  const { feed, journaling, minutes, send } = await openAudience(state, runDir, run, lines);
  const system = () => watchSystem(state, { image, run, send, keep: journaling?.keeping.keep });
  if (state.isSystemOnly) return await waitOnly(state, runDir, feed, journaling, system);
  if (!options.replace) await system();
  const own = home === undefined ? undefined : makeOwnGroup(state, home, runDir.name);
  const wanted = own === undefined ? state.wanted : [settingsOf(options, state.memory, own, true)];
  const prepared = prepareGuards(state, wanted, own !== undefined, leftOut);
  const { guards, locks, others } = prepared;
  for (const remark of prepared.remarks) say(remark);
  if (guards.length === 0 && expected?.named !== undefined) {
    throw new CliError(exit.noGroup, NO_GROUP_LEFT);
  }
  const running = findRunning(core, others, runDir.name, undo, options.replace);
  writeDown(state, runDir, ledger.fd, guards);
  const userHandler = userCommand(options, guards);
  const door = openDoorIfWanted(state, runDir.base);
  const latecomers = latecomersOf(state, ledger.fd, prepared);
  let handlers: UserHandlers | undefined;
  const status = () => statusOf(agent.guards.length);
  const agent = new Agent(
    {
      ...state,
      image,
      runDir,
      run,
      ...journaling?.keeping,
      guards,
      follow: latecomers?.follow,
      hourCap: options.hourCap,
      source: options.source,
      handlerInside: options.handler === "inside",
      listener: door?.listener,
      ...comingAndGoing(
        () => handlers,
        () => notify?.changed(status),
      ),
      send,
      say,
    },
    ledger.fd,
  );
  undo.defer(() =>
    agent.stop(() => {
      ledger.close();
      locks.close();
    }),
  );
  await agent.attach();
  await announceIfAsked(options.replace, runDir.path, notify);
  await takeOver(core, locks, running);
  await agent.arm();
  minutes.recorder = agent;
  for (const lack of agent.lacks) say(lack);
  if (options.replace) await takeNames(core, running, feed, door).then(system);
  if (door !== undefined && userHandler !== undefined) {
    handlers = startUserHandlers(state, image, door, userHandler, agent.guards);
  }
  const seen = door && agent.seeSleep();
  undo.defer(async () => await seen);
  void journaling?.harvest();
  keepTextSmall(core, isSmallPlace(state.memory), undo);
  await reloadIfConfigured(state, latecomers, agent);
  void feed.serve(agent);
  if (guards.length === 0) say(NO_GROUP_YET, "info");
  notify?.ready(status);
  undo.defer(() => notify?.stopping());
  if (signals.received !== undefined) return command === undefined ? exit.ok : signals.code;
  if (own === undefined || command === undefined)
    return await waitForSignal(signals, agent, guards);
  return await runCommand(state, agent, image, own, command);
}

/** What others have to know of us: what to put back, and the rules. */
function writeDown(
  { core, rules }: Run,
  runDir: RunDir,
  ledger: number,
  guards: readonly GuardSpec[],
): void {
  guards.forEach(({ path, owned }, index) => {
    core.addToLedger(ledger, index, path, owned);
  });
  if (rules !== undefined) runDir.write("config", rules.file);
}

/** Groups that come while others are guarded. */
function latecomersOf(
  { core, memory, options, leftOut, expected }: Run,
  ledger: number,
  { guards, locks }: Prepared,
) {
  if (expected === undefined) return undefined;
  return new Latecomers({
    core,
    memory,
    options,
    expected,
    guards,
    locks,
    leftOut,
    addToLedger: (index, path) => core.addToLedger(ledger, index, path, false),
    removeFromLedger: (index) => core.removeFromLedger(ledger, index),
    demandHandler: ({ path, orders }) => demandHandler(options, path, orders.granted.has("kill")),
    say,
  });
}

/** From now on changes of the config file can be put into effect. */
async function reloadIfConfigured(
  { core, memory, options, expected, undo, rules, reloading }: Run,
  latecomers: Latecomers | undefined,
  agent: Agent,
): Promise<void> {
  if (rules === undefined || expected === undefined || latecomers === undefined) return;
  const { Reloader } = await import("./reload.ts");
  const lookAgain = (hourCap: number) => agent.lookAgain(hourCap);
  const reloader = new Reloader({
    core,
    memory,
    options,
    expected,
    latecomers,
    lookAgain,
    ...rules,
  });
  reloading.reloader = reloader;
  undo.defer(() => reloader.close());
  if (reloading.isAsked) reloader.reload();
}

/** Who has to know of groups that are guarded from now on, or no more. */
function comingAndGoing(handlers: () => UserHandlers | undefined, changed: () => void) {
  return {
    armed(guard: GuardSpec) {
      handlers()?.follow(guard);
      changed();
    },
    left(guard: GuardSpec) {
      void handlers()?.leave(guard);
      changed();
    },
  };
}

function statusOf(guards: number): string {
  return `guarding ${guards === 1 ? "1 group" : `${guards} groups`}`;
}

/** With room for those that come. */
function guardsOf({ wanted, expected }: Run): number {
  return (wanted.length || 1) + roomOf(expected);
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

function warnOfDelay(memory: Hierarchy, delayMs = 0): void {
  const { longMs, why } = kindOf(memory).delay;
  if (delayMs > longMs) say(`a delay of ${delayMs / 1000} s is long: ${why}`);
}
