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
import { type Core, openCore } from "../native/core.ts";
import { within } from "../within.ts";
import { isSame } from "./write.ts";

const TICK_MS = 5;
/** It looks every TICK_MS; a bound for a busy machine. */
const TOLD_BOUND_MS = 10_000;
/** In its environment: somebody waits for the mark in its run directory, which has this text. */
const ASKED = "REPRIEVE_TAKES_OVER";
/** Both go when the agent goes (native/ledger.h). */
const MARK = "attached";
/** Who waits has seen the mark, and takes this away when systemd has been told. */
const SEEN = "seen";
/**
 * Parent of the new one as long as that may refuse, for its exit code. Killed, it leaves it to systemd, which at a stop kills at once a
 * main process that was not its child when it was told of it (main_pid_alien; systemd 252, src/core/service.c).
 */
const STARTER = '"$@" >&3 3>&- & echo $!; exec >&-; wait $!';

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
    stdio: ["ignore", "pipe", "inherit", 1],
  });
  const newPid = Number(await new Response(starter.stdout).text());
  let seen: string | undefined;
  while (seen === undefined) {
    if (hasEnded(starter)) return starter.exitCode ?? exit.internal;
    if (core.isDead(old)) throw new CliError(exit.noGroup, `reprieve ${pid} has ended by itself`);
    await Bun.sleep(TICK_MS);
    seen = seeMark(newPid, asked);
  }
  const newer = core.openPidfd(newPid);
  await tellSystemd(core, newPid, starter);
  rmSync(seen);
  while (!core.isDead(newer) && !core.isDead(old)) await Bun.sleep(TICK_MS);
  return core.isDead(newer) ? exit.internal : exit.ok;
}

/** Of the new one: it has attached. Returns when systemd has been told; at once where nobody has to tell it. */
export async function announce(runDir: string): Promise<void> {
  const asked = process.env[ASKED];
  if (asked === undefined) return;
  const mark = join(runDir, MARK);
  const seen = join(runDir, SEEN);
  writeFileSync(mark, asked);
  const isSeen = await within(TOLD_BOUND_MS, () => !existsSync(mark));
  const isTold =
    (isSeen || !isRemoved(mark)) && (await within(TOLD_BOUND_MS, () => !existsSync(seen)));
  if (isTold) return;
  throw new CliError(exit.internal, "whoever asked for the take-over does not answer");
}

// --- internal ---

/** Where its mark is; from now on it waits for us. */
function seeMark(pid: number, asked: string): string | undefined {
  const dir = runDirs("")
    .filter(({ name }) => Number.parseInt(name, 10) === pid)
    .find(({ path }) => readIfThere(join(path, MARK)) === asked);
  if (dir === undefined) return undefined;
  const seen = join(dir.path, SEEN);
  try {
    renameSync(join(dir.path, MARK), seen);
    return seen;
  } catch {
    return undefined; // it has just given up
  }
}

/** Its parent by then is systemd. */
async function tellSystemd(core: Core, pid: number, starter: Subprocess): Promise<void> {
  starter.kill("SIGKILL");
  await starter.exited;
  const { NOTIFY_SOCKET: socket } = process.env;
  if (socket) core.sendDatagram(socket, Buffer.from(`MAINPID=${pid}`));
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
