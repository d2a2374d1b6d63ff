// SPDX-License-Identifier: MIT
/**
 * An upgrade in place of a service of systemd's: `ExecReload=reprieve reload --main-pid $MAINPID` by a program that is another file than
 * the main process's. It starts that program as its child, with the main process's command line and --replace. When that has attached,
 * systemd is told that it is the main process now, and only then the old one is ended: systemd sees none of its processes fail.
 */

import { closeSync, readFileSync } from "node:fs";
import { CliError, exit } from "../errors.ts";
import { openCore } from "../native/core.ts";
import { isSame } from "./write.ts";

const TICK_MS = 10;

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
    env: environmentOf(pid),
    stdio: ["ignore", "inherit", "inherit"],
    ipc(_, child) {
      if (socket) core.sendDatagram(socket, Buffer.from(`MAINPID=${child.pid}`));
      child.send("go");
    },
  });
  while (child.exitCode === null && child.signalCode === null && !core.isDead(old)) {
    await Bun.sleep(TICK_MS);
  }
  closeSync(old);
  const isThere = child.exitCode === null && child.signalCode === null;
  if (isThere) child.disconnect();
  child.unref();
  return isThere ? exit.ok : (child.exitCode ?? exit.internal);
}

/** Of the new one: it has attached. Returns when systemd has been told; at once where nobody has to tell it. */
export async function announce(): Promise<void> {
  if (process.send === undefined) return;
  const isTold = await new Promise<boolean>((resolve) => {
    process.once("message", () => resolve(true));
    process.once("disconnect", () => resolve(false));
    process.send?.("attached");
  });
  if (!isTold) throw new CliError(exit.internal, "whoever asked for the take-over has ended");
  process.disconnect?.();
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
  const { WATCHDOG_PID: _, NODE_CHANNEL_FD: __, ...theirs } = Object.fromEntries(pairs);
  const { JOURNAL_STREAM } = process.env;
  return { ...theirs, ...(JOURNAL_STREAM !== undefined && { JOURNAL_STREAM }) };
}

function stringsIn(pid: number, file: "cmdline" | "environ"): string[] {
  return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
}
