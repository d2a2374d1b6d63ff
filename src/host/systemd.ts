// SPDX-License-Identifier: MIT
/** What install and uninstall ask of systemd. */

import { existsSync } from "node:fs";
import { configuredOnes } from "../agent/running.ts";
import { say } from "../cli/output.ts";
import { load } from "../config/load.ts";
import { lineOf } from "../config/mistakes.ts";
import { CliError, exit } from "../errors.ts";
import { visible } from "../shown.ts";
import { within } from "../within.ts";
import { AGENT_UNIT, HELPERS_UNIT, UNIT_NAMES } from "./files.ts";
import { isOfOtherProgram } from "./take-over.ts";

/** sd_booted(3). */
const BOOTED = "/run/systemd/system";
/** What starts for longer may fail each time: its next start is the newer program's. What reloads for longer is taken over all the same. */
const SETTLE_BOUND_MS = 10_000;
/** Each look is a process. */
const SETTLE_TICK_MS = 100;

export function demandSystemd(): void {
  if (process.getuid?.() !== 0) throw new CliError(exit.notPermitted, "run this as root");
  if (existsSync(BOOTED)) return;
  throw new CliError(
    exit.host,
    "systemd does not run here: start reprieve run by whatever starts services on this host",
  );
}

/** Returns its output. */
export function systemctl(...args: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["systemctl", ...args]);
  if (exitCode === 0) return stdout.toString().trim();
  const why = stderr.toString().trim() || `ended with ${exitCode}`;
  throw new CliError(exit.host, `systemctl ${args.join(" ")}: ${why}`);
}

/** Of the unit, as systemctl show has it. */
export function shown(unit: string, property: string): string {
  return systemctl("show", "--value", "--property", property, unit);
}

/** One that starts or reloads is waited for. */
export async function isServiceRunning(): Promise<boolean> {
  let state = "";
  const isSettled = () => {
    state = shown(AGENT_UNIT, "ActiveState");
    return state !== "activating" && state !== "reloading";
  };
  await within(SETTLE_BOUND_MS, isSettled, SETTLE_TICK_MS);
  return state === "active" || state === "reloading";
}

export function enableService(isRunning: boolean): void {
  if (isRunning && shown(AGENT_UNIT, "UnitFileState") === "enabled") return;
  systemctl("enable", "--now", AGENT_UNIT);
  say(`${AGENT_UNIT} is started, now and at each boot`);
}

/** Of one that runs: the program that runs may be the one that was written over by `program`, which has our bytes. */
export function upgradeService(program: string): void {
  const pid = Number(shown(AGENT_UNIT, "MainPID"));
  if (!isOfOtherProgram(pid, program)) {
    say(`${AGENT_UNIT} runs already`);
    return;
  }
  demandValid(pid);
  try {
    systemctl("reload", AGENT_UNIT);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    say(
      `${AGENT_UNIT} cannot be taken over, and is started anew, the kernel deciding meanwhile: ${error.message}`,
    );
    systemctl("restart", AGENT_UNIT);
    return;
  }
  demandTakenOver(program);
  say(`${AGENT_UNIT} was taken over: no group was unwatched`);
}

/** All of it. `files`: an uninstall that was cut off has left some of them. */
export function stopService(files: readonly string[]): void {
  if (files.includes(AGENT_UNIT)) systemctl("disable", AGENT_UNIT);
  for (const unit of UNIT_NAMES)
    if (shown(unit, "ActiveState") !== "inactive") systemctl("stop", unit);
  say(`${AGENT_UNIT} and ${HELPERS_UNIT} are stopped, and start at no boot any more`);
}

/** Its unit files are there no more. */
export function forgetService(): void {
  systemctl("daemon-reload");
  // Else one that has failed is remembered.
  for (const unit of [AGENT_UNIT, HELPERS_UNIT]) Bun.spawnSync(["systemctl", "reset-failed", unit]);
}

// --- internal ---

/** An ExecReload= of somebody else's may only have had the config file read anew. */
function demandTakenOver(program: string): void {
  if (!isOfOtherProgram(Number(shown(AGENT_UNIT, "MainPID")), program)) return;
  throw new CliError(
    exit.host,
    `${AGENT_UNIT} was not taken over: its ExecReload= is another than ours (systemctl cat ${AGENT_UNIT}). ` +
      `The old program guards on, until systemctl restart ${AGENT_UNIT}`,
  );
}

/** With mistakes in its config file it would not start: the one that runs guards on. */
function demandValid(pid: number): void {
  const running = configuredOnes().find((one) => one.pid === pid);
  if (running === undefined) return; // by flags alone
  const { mistakes, untrusted } = load(running.file);
  if (mistakes.length + untrusted.length === 0) return;
  const why = [...untrusted.map(visible), ...mistakes.map(lineOf)].join("\n");
  throw new CliError(exit.badConfig, `the program that runs guards on:\n${why}`);
}
