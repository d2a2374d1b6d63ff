// SPDX-License-Identifier: MIT
/** What install and uninstall ask of systemd. */

import { existsSync } from "node:fs";
import { say } from "../cli/output.ts";
import { CliError, exit } from "../errors.ts";
import { AGENT_UNIT } from "./files.ts";

/** sd_booted(3). */
const BOOTED = "/run/systemd/system";

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

export async function start(starts: boolean): Promise<number> {
  systemctl("daemon-reload");
  say("systemd has read its units anew");
  if (!starts) return exit.ok;
  systemctl("enable", "--now", AGENT_UNIT);
  say(`${AGENT_UNIT} is started, and at each boot`);
  return exit.ok;
}
