// SPDX-License-Identifier: MIT
/** `reprieve install`: this program becomes a service of systemd's. Says each thing that it does; a config file that is there stays. */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { say } from "../cli/output.ts";
import { load } from "../config/load.ts";
import { lineOf } from "../config/mistakes.ts";
import { CliError, exit } from "../errors.ts";
import { visible } from "../shown.ts";
import {
  AGENT_UNIT,
  exampleConfig,
  manualsOf,
  type Prefix,
  programOf,
  type Text,
  unitsOf,
} from "./files.ts";
import {
  demandSystemd,
  enableService,
  isServiceRunning,
  systemctl,
  upgradeService,
} from "./systemd.ts";
import { writeProgram, writeText } from "./write.ts";

interface InstallOptions {
  readonly root?: string;
  readonly config?: string;
  readonly start: boolean;
}

export async function install({ root, config, start: starts }: InstallOptions): Promise<number> {
  if (root === undefined) demandSystemd();
  const given = config === undefined ? exampleConfig : givenConfig(config);
  const prefix = prefixOf(root);
  const at = (path: string) => (root === undefined ? path : join(resolve(root), path));
  demandFree(at(given.path), config, given);
  const program = at(programOf(prefix));
  tell(program, writeProgram(program));
  for (const unit of unitsOf(prefix)) tell(at(unit.path), writeText(at(unit.path), unit));
  for (const page of manualsOf(prefix)) {
    const path = at(page.path);
    if (!existsSync(`${path}.gz`)) tell(path, writeText(path, page)); // a package's
  }
  const configPath = at(given.path);
  if (existsSync(configPath)) tell(configPath, false);
  else tell(configPath, writeText(configPath, given));
  if (root !== undefined) return exit.ok;
  systemctl("daemon-reload");
  say("systemd has read its units anew");
  if (!starts) return exit.ok;
  const isRunning = await isServiceRunning();
  if (isRunning) upgradeService(program);
  enableService(isRunning);
  return exit.ok;
}

/** `reprieve upgrade`: of what install has brought it changes nothing. */
export async function upgrade(): Promise<number> {
  demandSystemd();
  if (await isServiceRunning()) upgradeService(process.execPath);
  else say(`${AGENT_UNIT} does not run: nothing is taken over`);
  return exit.ok;
}

// --- internal ---

/** A tree is a package's; so is a program that a package has brought, with its units. */
function prefixOf(root: string | undefined): Prefix {
  const isPackages = root !== undefined || process.execPath === programOf("/usr");
  return isPackages ? "/usr" : "/usr/local";
}

function givenConfig(file: string): Text {
  const { mistakes } = load(resolve(file));
  if (mistakes.length > 0) throw new CliError(exit.badConfig, mistakes.map(lineOf).join("\n"));
  return { path: exampleConfig.path, text: readFileSync(file, "utf8") };
}

/** A config file that a person wrote is never written over. */
function demandFree(path: string, config: string | undefined, { text }: Text): void {
  if (config === undefined || !existsSync(path) || readFileSync(path, "utf8") === text) return;
  throw new CliError(
    exit.cannotCreate,
    `${path} is there already and another than ${visible(config)}: move it away, or leave --config out`,
  );
}

function tell(path: string, isWritten: boolean): void {
  say(`${visible(path)} ${isWritten ? "written" : "is there already"}`);
}
