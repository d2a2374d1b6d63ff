// SPDX-License-Identifier: MIT
/**
 * An upgrade in place of a service of systemd's: `ExecReload=reprieve reload --main-pid $MAINPID` by a program that is another file than
 * the main process's. It starts that program, with the main process's command line and --replace. When that has attached it becomes
 * systemd's child, systemd is told that it is the main process now, and only then the old one is ended: systemd sees none of its
 * processes fail.
 */

import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { runDirs } from "../agent/running.ts";
import { readIfThere } from "../cgroup/files.ts";
import { CliError, exit } from "../errors.ts";
import { type Core, NativeError, openCore } from "../native/core.ts";
import { within } from "../within.ts";
import { isSame } from "./write.ts";

const TICK_MS = 5;
/** It looks every TICK_MS; a bound for a busy machine. */
const TOLD_BOUND_MS = 10_000;
/** Of systemd; the new one waits for longer. */
const TELL_BOUND_MS = 5_000;
/** In its environment: somebody waits for the mark in its run directory, which has this text. */
const ASKED = "REPRIEVE_TAKES_OVER";
/** Both go when the agent goes (native/ledger.h). */
const MARK = "attached";
/** Who waits has seen the mark, and takes this away when systemd has been told. */
const SEEN = "seen";
/** SIGTERM has one that waits for us undo what it did; a bound for one that is stuck. */
const ENDS_BOUND_MS = 5_000;
/**
 * Parent of the new one as long as that may refuse, for its exit code; SIGTERM, which both get, it outlives for that. Killed, it leaves
 * it to systemd, which at a stop kills at once a main process that was not its child when it was told of it (main_pid_alien; systemd
 * 252, src/core/service.c). Not by "&": a shell has SIGINT ignored there.
 */
const STARTER = 'trap : TERM; "$@"; exit $?';

/** Another file may be at its path by now. */
export function isOfOtherProgram(pid: number, program = "/proc/self/exe"): boolean {
  try {
    return !isSame(`/proc/${pid}/exe`, program);
  } catch {
    throw new CliError(exit.noGroup, `no process ${pid} of this user runs`);
  }
}

/** Returns when the old one has ended. Where the new one refuses, the old one goes on. */
export async function takeOverService(pid: number): Promise<number> {
  const core = openCore();
  const old = core.openPidfd(pid);
  const asked = randomUUID();
  const command = [process.execPath, ...replacing(stringsIn(pid, "cmdline"), pid)];
  const starter = Bun.spawn(["sh", "-c", STARTER, "sh", ...command], {
    env: { ...environmentOf(pid), [ASKED]: asked },
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  let seen: Seen | undefined;
  while (seen === undefined) {
    if (hasEnded(starter)) return starter.exitCode ?? exit.internal;
    if (core.isDead(old)) {
      await end(starter);
      const why = `reprieve ${pid} has ended by itself, and so has the one that was to take over`;
      throw new CliError(exit.noGroup, why);
    }
    await Bun.sleep(TICK_MS);
    seen = seeMark(asked);
  }
  const newer = core.openPidfd(seen.pid);
  // Its parent is systemd then.
  starter.kill("SIGKILL");
  await starter.exited;
  if (!(await isToldToSystemd(core, `MAINPID=${seen.pid}`))) {
    core.signal(newer, "SIGTERM"); // it undoes what it did when it has waited for long enough
    throw new CliError(exit.host, "systemd does not hear which process is to be the main one");
  }
  rmSync(seen.path);
  while (!core.isDead(newer) && !core.isDead(old)) await Bun.sleep(TICK_MS);
  return core.isDead(newer) ? exit.internal : exit.ok;
}

/**
 * Of the new one: it has attached. Returns when systemd has been told; at once where nobody has to tell it. `hasToEnd` counts as long as
 * nobody has seen the mark: later it may be systemd's main process.
 */
export async function announce(runDir: string, hasToEnd: () => boolean): Promise<void> {
  const asked = process.env[ASKED];
  if (asked === undefined) return;
  const mark = join(runDir, MARK);
  const seen = join(runDir, SEEN);
  writeFileSync(mark, asked);
  await within(TOLD_BOUND_MS, () => hasToEnd() || !existsSync(mark));
  const isTold = !isRemoved(mark) && (await within(TOLD_BOUND_MS, () => !existsSync(seen)));
  if (isTold) return;
  throw new CliError(
    exit.internal,
    "whoever asked for the take-over does not answer, or has broken it off",
  );
}

// --- internal ---

interface Seen {
  readonly pid: number;
  readonly path: string;
}

/** Of the new one, which has attached; from now on it waits for us. */
function seeMark(asked: string): Seen | undefined {
  const dir = runDirs("").find(({ path }) => readIfThere(join(path, MARK)) === asked);
  if (dir === undefined) return undefined;
  const path = join(dir.path, SEEN);
  try {
    renameSync(join(dir.path, MARK), path);
    return { pid: Number.parseInt(dir.name, 10), path };
  } catch {
    return undefined; // it has just given up
  }
}

/** False: as long as it was tried too much waited to be read by it, or it was not there. */
async function isToldToSystemd(core: Core, text: string): Promise<boolean> {
  const { NOTIFY_SOCKET: socket } = process.env;
  return !socket || (await within(TELL_BOUND_MS, () => sends(core, socket, text)));
}

function sends(core: Core, socket: string, text: string): boolean {
  try {
    core.sendDatagram(socket, Buffer.from(text));
    return true;
  } catch (error) {
    if (error instanceof NativeError) return false;
    throw error;
  }
}

/** With what it has started. */
async function end(starter: Subprocess): Promise<void> {
  signalGroup(starter.pid, "SIGTERM");
  if (await within(ENDS_BOUND_MS, () => hasEnded(starter))) return;
  signalGroup(starter.pid, "SIGKILL");
  await starter.exited;
}

function signalGroup(leader: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // None of it is left.
  }
}

function hasEnded({ exitCode, signalCode }: Subprocess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** False: somebody was quicker. */
function isRemoved(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch {
    return false;
  }
}

/** argv without the program; what was itself a take-over names another one. */
function replacing([, command = "", ...args]: readonly string[], pid: number): string[] {
  return [command, `--replace=${pid}`, ...args.filter((arg) => !/^--replace(=|$)/.test(arg))];
}

/** Of the old one, for systemd tells a control process less; where stderr goes is ours. Nobody's watchdog but the main process's. */
function environmentOf(pid: number): Record<string, string> {
  const pairs = stringsIn(pid, "environ").map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  const { WATCHDOG_PID: _, ...theirs } = Object.fromEntries(pairs);
  const { JOURNAL_STREAM } = process.env;
  return { ...theirs, ...(JOURNAL_STREAM !== undefined && { JOURNAL_STREAM }) };
}

function stringsIn(pid: number, file: "cmdline" | "environ"): string[] {
  return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
}
