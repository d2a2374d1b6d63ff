// SPDX-License-Identifier: MIT
/**
 * `reprieve run`: makes a guarded group for a command, or guards groups that exist.
 *
 * Everything that is changed is put on `undo` at once, and undone in reverse order however this ends.
 */

import { resolve } from "node:path";
import type { Agent } from "../agent/agent.ts";
import { Notify } from "../agent/notify.ts";
import { reapOrphans } from "../agent/orphans.ts";
import { emptyGroup, processesOf } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { kindOf } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { openCore } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import { newRun } from "../native/run-id.ts";
import { visible } from "../shown.ts";
import { openAudience } from "./audience.ts";
import { type Command, exitCodeOf, findProgram, Signals, startCommand } from "./command.ts";
import { checkTogether, configOf, type RunFlags, settingsOf, unconfigured } from "./flags.ts";
import { startGuarding } from "./guarding.ts";
import { LeftOut, prepareGuards } from "./guards.ts";
import { roomOf } from "./latecomers.ts";
import { END_BOUND_MS, Lines, say } from "./output.ts";
import { demandHome, demandPlace, makeOwnGroup } from "./own-group.ts";
import { makeRunDir, type Run } from "./run-state.ts";
import { waitOnly, watchSystem } from "./system.ts";

const KEEP_TICK_MS = 1000;

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
    const reloading: Run["reloading"] = {};
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

// --- internal ---

async function guardAndWait(
  state: Run,
  command: Command | undefined,
  lines: Lines | undefined,
): Promise<number> {
  const { options, memory, signals } = state;
  const home = command === undefined ? undefined : demandHome(memory);
  const place = makeRunDir(state, guardsOf(state));
  const { image, runDir } = place;
  void signals.listen();
  const run = newRun();
  const audience = await openAudience(state, runDir, run, lines);
  const { feed, journaling, send } = audience;
  const system = () => watchSystem(state, { image, run, send, keep: journaling?.keeping.keep });
  if (state.isSystemOnly) return await waitOnly(state, runDir, feed, journaling, system);
  if (!options.replace) await system();
  const own = home === undefined ? undefined : makeOwnGroup(state, home, runDir.name);
  const wanted = own === undefined ? state.wanted : [settingsOf(options, memory, own, true)];
  const prepared = prepareGuards(state, wanted, own !== undefined, state.leftOut);
  const agent = await startGuarding(state, prepared, { ...place, ...audience, run, system });
  if (signals.received !== undefined) return command === undefined ? exit.ok : signals.code;
  if (own === undefined || command === undefined)
    return await waitForSignal(signals, agent, prepared.guards);
  return await runCommand(state, agent, image, own, command);
}

/** With room for those that come. */
function guardsOf({ wanted, expected }: Run): number {
  return (wanted.length || 1) + roomOf(expected);
}

async function waitForSignal(
  signals: Signals,
  agent: Agent,
  guards: readonly GuardOrders[],
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
