// SPDX-License-Identifier: MIT
/**
 * An upgrade in place of a service of systemd's: `ExecReload=reprieve reload --main-pid $MAINPID` by a program that is another file than
 * the main process's. It starts that program as its child, with the main process's command line and --replace. When that has attached,
 * systemd is told that it is the main process now, and only then the old one is ended: systemd sees none of its processes fail.
 */

import { closeSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runDirs } from "../agent/running.ts";
import { CliError, exit } from "../errors.ts";
import { openCore } from "../native/core.ts";
import { isSame } from "./write.ts";

const TICK_MS = 5;
/** It looks every TICK_MS; a bound for a busy machine. */
const TOLD_BOUND_MS = 10_000;
/** In its environment: somebody waits for the mark in its run directory, and takes it away when systemd has been told. */
const ASKED = "REPRIEVE_TAKES_OVER";
const MARK = "attached";

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
  const { NOTIFY_SOCKET: socket } = process.env;
  const child = Bun.spawn([process.execPath, ...replacing(stringsIn(pid, "cmdline"), pid)], {
    env: { ...environmentOf(pid), [ASKED]: "1" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const isThere = () => child.exitCode === null && child.signalCode === null;
  while (isThere() && !core.isDead(old)) {
    const mark = markOf(child.pid);
    if (mark !== undefined) {
      if (socket) core.sendDatagram(socket, Buffer.from(`MAINPID=${child.pid}`));
      rmSync(mark);
    }
    await Bun.sleep(TICK_MS);
  }
  closeSync(old);
  child.unref();
  return isThere() ? exit.ok : (child.exitCode ?? exit.internal);
}

/** Of the new one: it has attached. Returns when systemd has been told; at once where nobody has to tell it. */
export async function announce(runDir: string): Promise<void> {
  if (process.env[ASKED] === undefined) return;
  const mark = join(runDir, MARK);
  writeFileSync(mark, "");
  const deadline = performance.now() + TOLD_BOUND_MS;
  while (existsSync(mark)) {
    if (performance.now() > deadline) {
      rmSync(mark, { force: true });
      throw new CliError(exit.internal, "whoever asked for the take-over does not answer");
    }
    await Bun.sleep(TICK_MS);
  }
}

// --- internal ---

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

function markOf(pid: number): string | undefined {
  return runDirs("")
    .filter(({ name }) => Number.parseInt(name, 10) === pid)
    .map(({ path }) => join(path, MARK))
    .find((mark) => existsSync(mark));
}

function stringsIn(pid: number, file: "cmdline" | "environ"): string[] {
  return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
}
