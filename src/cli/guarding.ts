// SPDX-License-Identifier: MIT
/** What `run` does about its groups: the agent that guards them, until all is armed and told. */

import { Agent } from "../agent/agent.ts";
import { keepTextSmall } from "../agent/footprint.ts";
import type { RunDir } from "../agent/run-dir.ts";
import type { UserHandlers } from "../agent/user-handlers.ts";
import { CliError, exit } from "../errors.ts";
import type { GuardOrders } from "../native/guard-orders.ts";
import type { Audience } from "./audience.ts";
import { NO_GROUP_LEFT, type Prepared } from "./guards.ts";
import { demandHandler, openDoorIfWanted, startUserHandlers, userCommand } from "./handlers.ts";
import { Latecomers } from "./latecomers.ts";
import { say } from "./output.ts";
import { isSmallPlace } from "./own-group.ts";
import { announceIfAsked, findRunning, takeNames, takeOver } from "./replace.ts";
import type { Place, Run } from "./run-state.ts";

const NO_GROUP_YET = "no group is there that could be guarded: waiting for the first";

interface Around extends Place, Audience {
  readonly run: string;
  /** Starts the system guard, in a take-over when the old one has ended. */
  readonly system: () => Promise<void>;
}

/** Returns when all is armed, or throws why that cannot be. */
export async function startGuarding(state: Run, prepared: Prepared, around: Around) {
  const { options, core, undo, notify } = state;
  const { guards, locks, others, remarks } = prepared;
  const { image, runDir, ledger, feed, minutes, system } = around;
  for (const remark of remarks) say(remark);
  if (guards.length === 0 && state.expected?.named !== undefined) {
    throw new CliError(exit.noGroup, NO_GROUP_LEFT);
  }
  const running = findRunning(core, others, runDir.name, undo, options.replace);
  writeDown(state, runDir, ledger.fd, guards);
  const userHandler = userCommand(options, guards);
  const door = openDoorIfWanted(state, runDir.base);
  const latecomers = latecomersOf(state, ledger.fd, prepared);
  let handlers: UserHandlers | undefined;
  const changed = () => notify?.changed(() => statusOf(agent));
  const agent = new Agent(
    {
      ...state,
      image,
      runDir,
      run: around.run,
      send: around.send,
      ...around.journaling?.keeping,
      guards,
      follow: latecomers?.follow,
      hourCap: options.hourCap,
      source: options.source,
      handlerInside: options.handler === "inside",
      listener: door?.listener,
      armed(guard) {
        handlers?.follow(guard);
        changed();
      },
      left(guard) {
        void handlers?.leave(guard);
        changed();
      },
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
  await announceIfAsked(state, runDir.path);
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
  await goPublic(state, around, agent, latecomers);
  return agent;
}

// --- internal ---

/** From now on others may ask, and tell us of other rules. */
async function goPublic(
  state: Run,
  { journaling, feed }: Around,
  agent: Agent,
  latecomers: Latecomers | undefined,
): Promise<void> {
  const { core, memory, undo, notify } = state;
  void journaling?.harvest();
  keepTextSmall(core, isSmallPlace(memory), undo);
  await reloadIfConfigured(state, latecomers, agent);
  void feed.serve(agent);
  if (agent.guards.length === 0) say(NO_GROUP_YET, "info");
  notify?.ready(() => statusOf(agent));
  undo.defer(() => notify?.stopping());
}

/** What others have to know of us: what to put back, and the rules. */
function writeDown(
  { core, rules }: Run,
  runDir: RunDir,
  ledger: number,
  guards: readonly GuardOrders[],
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

function statusOf({ guards }: Agent): string {
  return `guarding ${guards.length === 1 ? "1 group" : `${guards.length} groups`}`;
}
