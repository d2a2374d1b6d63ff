// SPDX-License-Identifier: MIT
/** What `run` does about the host as a whole: beside the groups, or alone. */

import type { RunDir } from "../agent/run-dir.ts";
import { SystemGuard, type SystemGuardSetup } from "../agent/system-guard.ts";
import { CliError, exit } from "../errors.ts";
import type { Journaling } from "../journal/journaling.ts";
import { Locks } from "./guards.ts";
import type { Inside, LateFeed } from "./late-feed.ts";
import { say } from "./output.ts";
import { announceIfAsked, findRunning, takeNames, takeOver } from "./replace.ts";
import type { Run } from "./run-state.ts";

/**
 * In a take-over when the old one has ended: two would take a victim each for one shortage. Where it does not start then that is said, for
 * nobody else is there who would guard the groups.
 */
export async function watchSystem(
  { options: { system: orders, replace }, core, undo }: Run,
  told: Pick<SystemGuardSetup, "image" | "run" | "send" | "keep">,
): Promise<void> {
  if (orders === undefined) return;
  const guard = new SystemGuard({ ...told, core, orders, say });
  undo.defer(() => guard.stop());
  if (!(await guard.start())) {
    if (!replace) throw new CliError(exit.internal, "the system guard does not start");
    return say("the system guard does not start: the host as a whole is the kernel's", "error");
  }
  if (!orders.allowed) say("the system guard only observes: [allow] system lets it act");
  for (const lack of guard.lacks) say(lack);
}

/** Where no group is guarded, and only the host as a whole is. */
export async function waitOnly(
  state: Run,
  runDir: RunDir,
  feed: LateFeed,
  journaling: Journaling | undefined,
  system: () => Promise<void>,
): Promise<number> {
  const { options, core, undo, signals, notify } = state;
  if (options.replace) {
    const running = findRunning(core, [], runDir.name, undo, options.replace);
    await announceIfAsked(state, runDir.path);
    await takeOver(core, new Locks(core), running);
    await takeNames(core, running, feed);
  }
  await system();
  void journaling?.harvest();
  await feed.serve(NO_GUARD);
  notify?.ready(() => "guarding the host as a whole");
  await signals.first;
  notify?.stopping();
  return exit.ok;
}

// --- internal ---

/** What a run that guards the host alone can tell. */
const NO_GUARD: Inside = {
  whyNotReady: () => undefined,
  history: () => ({ frames: [], processes: {} }),
  sample: () => undefined,
  vitals: () => undefined,
  watched: () => {},
};
