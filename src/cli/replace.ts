// SPDX-License-Identifier: MIT
/**
 * `run --replace`: takes groups over from a reprieve that runs.
 *
 * The old one switches the kernel's killer on before it lets a lock go (agent/running.ts), and nothing is switched
 * off before the lock is ours: in between the kernel is the net.
 */

import { closeSync, constants, openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Door } from "../agent/door.ts";
import { idOf, lockedBy, runDirs } from "../agent/running.ts";
import { kindOfGroup } from "../cgroup/kind.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, NativeError } from "../native/core.ts";
import { fd } from "../native/layout.ts";
import { visible } from "../shown.ts";
import { within } from "../within.ts";
import { demandNotHeld, type Locks } from "./guards.ts";
import type { LateFeed } from "./late-feed.ts";
import { say } from "./output.ts";
import type { Run } from "./run-state.ts";

/** An orderly end takes 2 s where helpers do not answer (agent/supervise.ts), and its release. */
const STOP_BOUND_MS = 4000;
/** What its watchers need for an incident that is open when it is killed: `delay`, and 1 s for the kernel. */
const PUT_BACK_BOUND_MS = 4000;
/** After all is armed, for its feed's port. */
const END_BOUND_MS = 3000;

/** A living reprieve that guards groups of ours. */
export interface Running {
  readonly pid: number;
  readonly pidfd: number;
  /** Of its ledger, whose lock its helpers hold too. */
  readonly ledger: number;
  /** As we call them. */
  readonly paths: readonly string[];
}

/**
 * Finds who guards `paths`, whose locks are another's, or throws why it is not to be replaced. Changes nothing. One that was
 * named, by its pid, is among them whatever it guards: what of that nobody wants any more it puts back at its end.
 */
export function findRunning(
  core: Core,
  paths: readonly string[],
  ourName: string,
  undo: AsyncDisposableStack,
  named: true | number | undefined,
): Running[] {
  const wanted = new Map(
    paths.map((path) => [idOf(join(path, kindOfGroup(path).switchFile)), path]),
  );
  const running: Running[] = [];
  const isWanted = paths.length > 0 || typeof named === "number";
  for (const runDir of isWanted ? runDirs(ourName) : []) {
    const pid = Number.parseInt(runDir.name, 10);
    const pinned = pin(core, pid, runDir.path, undo);
    if (pinned === undefined) continue;
    const guarded = lockedBy(pid);
    const ours = guarded.flatMap(({ id }) => wanted.get(id) ?? []);
    if (ours.length === 0 && pid !== named) continue;
    const other = guarded.find(({ id }) => !wanted.has(id));
    if (other !== undefined && pid !== named) {
      const path = visible(other.path);
      throw cannotReplace(pid, `it guards ${path} too, which nobody would: give --cgroup ${path}`);
    }
    demandReplaceable(core, pid, pinned.ledger);
    running.push({ pid, ...pinned, paths: ours });
    for (const { id } of guarded) wanted.delete(id);
  }
  if (typeof named === "number" && !running.some(({ pid }) => pid === named)) {
    throw cannotReplace(named, "it is no reprieve of this user, or has just ended");
  }
  const [left] = wanted.values();
  if (left === undefined) return running;
  throw new CliError(
    exit.inUse,
    `cannot guard ${visible(left)}: the reprieve that guards it is another user's or another ` +
      "container's, or has just ended: end it there, or try again",
  );
}

/** Ends the running ones; returns when all that they held is put back and its locks are ours. */
export async function takeOver(
  core: Core,
  locks: Locks,
  running: readonly Running[],
): Promise<void> {
  for (const { pidfd } of running) core.signal(pidfd, "SIGTERM");
  for (const one of running) await takeOverFrom(core, locks, one);
  for (const { paths } of running) for (const path of paths) demandNotHeld(path);
}

/** What the old one had as long as it lived. */
export async function takeNames(
  core: Core,
  running: readonly Running[],
  feed: LateFeed,
  door?: Door,
): Promise<void> {
  await awaitEnd(core, running);
  await feed.open();
  const why = door?.takeName();
  if (why !== undefined) say(why);
}

/** Whoever named the one to be replaced may be systemd's, which is told first, and hears from then on that we live. */
export async function announceIfAsked(
  { options: { replace }, signals, notify }: Run,
  runDir: string,
): Promise<void> {
  if (typeof replace !== "number") return;
  const { announce } = await import("../host/take-over.ts");
  await announce(runDir, () => signals.received !== undefined);
  notify?.beat();
}

// --- internal ---

/** What others could put there must not hold us up. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Waits for the end of those whose groups are ours by now, for the sake of their feeds' ports. */
async function awaitEnd(core: Core, running: readonly Running[]): Promise<void> {
  await within(END_BOUND_MS, () => running.every(({ pidfd }) => core.isDead(pidfd)));
}

function cannotReplace(pid: number, why: string): CliError {
  return new CliError(exit.inUse, `cannot replace reprieve ${pid}: ${why}`);
}

async function takeOverFrom(
  core: Core,
  locks: Locks,
  { pid, pidfd, ledger, paths }: Running,
): Promise<void> {
  const isOver = () => core.isDead(pidfd) && !core.isLocked(ledger);
  // One that dies leaves its watchers; they may have an incident open.
  const isLeft = () => core.isDead(pidfd) && core.isLocked(ledger);
  const letsGo = () => hasLetGo(locks, paths, isLeft, (path) => core.putBack(ledger, path));
  const isDone = () => letsGo() || isOver();
  let isEnded = await within(STOP_BOUND_MS, isDone);
  if (!isEnded) {
    // It is stopped or stuck. The kernel gives its locks up a moment before it is dead: they tell nothing now.
    core.signal(pidfd, "SIGKILL");
    isEnded = await within(PUT_BACK_BOUND_MS, isOver);
  }
  if (!isEnded) {
    const seconds = PUT_BACK_BOUND_MS / 1000;
    const pids = helpersWith(ledger).join(" ");
    throw cannotReplace(
      pid,
      `it did not end and was killed, and its helpers (${pids}) have not put back after ${seconds} s. They have an ` +
        `incident open: try again later; or they are stopped: kill -CONT ${pids}, and they put back; where that ` +
        `does not help, kill -KILL ${pids}, then reprieve release`,
    );
  }
  if (letsGo()) return;
  throw cannotReplace(pid, "yet another reprieve has taken its groups over meanwhile");
}

function hasLetGo(
  locks: Locks,
  paths: readonly string[],
  isLeft: () => boolean,
  putBack: (path: string) => void,
): boolean {
  return paths.every((path) => {
    if (!locks.take(path)) return false;
    if (isLeft()) {
      locks.giveUp(path);
      return false;
    }
    // Its watchers were killed before they could, or the kernel refused them.
    putBack(path);
    return true;
  });
}

/** Who has inherited that ledger and lives. */
function helpersWith(ledger: number): string[] {
  const file = readlinkSync(`/proc/self/fd/${ledger}`);
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/fd/${fd.LEDGER}`) === file;
    } catch {
      return false; // it is gone, has no such descriptor, or is not ours to look at
    }
  });
}

/** Before it is looked at: what is signalled later is who was looked at. Undefined: it has just ended. */
function pin(core: Core, pid: number, runDir: string, undo: AsyncDisposableStack) {
  try {
    const pidfd = core.openPidfd(pid);
    undo.defer(() => closeSync(pidfd));
    const ledger = openSync(join(runDir, "ledger"), OPEN_FLAGS);
    undo.defer(() => closeSync(ledger));
    return { pidfd, ledger };
  } catch {
    return undefined;
  }
}

function demandReplaceable(core: Core, pid: number, ledger: number): void {
  try {
    if (!core.ledgerOwns(ledger)) return;
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    const what =
      error.errno === "EPROTO" ? "is of another version" : `cannot be read (${error.errno})`;
    throw cannotReplace(pid, `its ledger ${what}: end it with kill ${pid}, then start this one`);
  }
  throw cannotReplace(pid, "the group is the one it made for its CMD, and goes with it");
}
