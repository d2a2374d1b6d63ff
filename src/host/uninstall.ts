// SPDX-License-Identifier: MIT
/** `reprieve uninstall`: undoes install. What a person wrote, and the journal, stay without --purge. */

import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { basename } from "node:path";
import { say } from "../cli/output.ts";
import { release } from "../cli/release.ts";
import { CliError, exit } from "../errors.ts";
import {
  DIRECTORIES,
  exampleConfig,
  manualsOf,
  programOf,
  TOKEN_FILE,
  UNIT_NAMES,
  unitsOf,
} from "./files.ts";
import { demandSystemd, forgetService, stopService } from "./systemd.ts";
import { remove } from "./write.ts";

interface UninstallOptions {
  readonly purge?: boolean;
}

export async function uninstall({ purge = false }: UninstallOptions): Promise<number> {
  demandSystemd();
  const units = unitsOf("/usr/local").filter(({ path }) => existsSync(path));
  if (units.length > 0) stopService(units.map(({ path }) => basename(path)));
  else demandNoPackage();
  // Of dead ones, started by hand too, and what is not to be given back yet: without ledgers and program nobody could.
  const code = await release({});
  if (code !== exit.ok) return code;
  for (const { path } of units) tellRemoved(path);
  if (units.length > 0) forgetService();
  for (const { path } of manualsOf("/usr/local")) tellRemoved(path);
  for (const dir of OWN_DIRS) if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir);
  for (const dir of DROP_INS) if (existsSync(dir)) say(`${dir} stays: it is systemctl edit's`);
  removeFiles(purge);
  tellRemoved(programOf("/usr/local"));
  return exit.ok;
}

// --- internal ---

/** Of all that install may have made these alone are nobody else's as a rule. */
const OWN_DIRS = [
  ...["/usr/local/lib/systemd/system", "/usr/local/lib/systemd"],
  ...["/usr/local/share/man/man1", "/usr/local/share/man/man5"],
];

const DROP_INS = UNIT_NAMES.map((unit) => `/etc/systemd/system/${unit}.d`);

function demandNoPackage(): void {
  if (unitsOf("/usr").every(({ path }) => !existsSync(path))) return;
  throw new CliError(exit.unsafe, "a package has brought it: have its manager remove it");
}

function removeFiles(purge: boolean): void {
  const { config, logs, run, state } = DIRECTORIES;
  tellRemoved(run);
  if (purge) {
    for (const path of [config, state, logs]) tellRemoved(path);
    return;
  }
  const { path, text } = exampleConfig;
  if (existsSync(path) && readFileSync(path, "utf8") === text) tellRemoved(path);
  tellRemoved(TOKEN_FILE);
  for (const dir of [`${config}/reprieve.d`, config, state, logs]) removeIfEmpty(dir);
}

function removeIfEmpty(dir: string): void {
  if (!existsSync(dir)) return;
  const left = readdirSync(dir);
  if (left.length === 0) rmdirSync(dir);
  else say(`${dir} stays, for there is ${left.join(", ")}; --purge removes it`);
}

function tellRemoved(path: string): void {
  if (remove(path)) say(`${path} removed`);
}
