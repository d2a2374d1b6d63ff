// SPDX-License-Identifier: MIT
/** `reprieve check`: says all that is wrong in a config file, or what is in effect. Changes nothing. */

import { type Loaded, load } from "../config/load.ts";
import { lineOf, plain } from "../config/mistakes.ts";
import { exit } from "../errors.ts";
import { visible } from "../shown.ts";
import { print, say } from "./output.ts";

interface CheckOptions {
  readonly effective?: true;
  readonly json?: true;
}

export async function checkConfig(file: string | undefined, options: CheckOptions) {
  const loaded = load(file);
  const isGood = loaded.config !== undefined;
  const text = options.json ? JSON.stringify(jsonOf(loaded, options)) : textOf(loaded, options);
  for (const why of loaded.untrusted) say(visible(`run would refuse this: ${why}`));
  await print([text]);
  return isGood ? exit.ok : exit.badConfig;
}

// --- internal ---

function jsonOf({ files, mistakes, effective }: Loaded, options: CheckOptions) {
  const told = { v: 1, ok: mistakes.length === 0, files, mistakes: mistakes.map(plain) };
  return { ...told, ...(options.effective && { effective }) };
}

function textOf({ files, mistakes, config, effective }: Loaded, options: CheckOptions): string {
  if (config === undefined || effective === undefined) return mistakes.map(lineOf).join("\n");
  if (options.effective) return Bun.TOML.stringify(effective).trimEnd();
  const guards = `${config.guard.length} guard${config.guard.length === 1 ? "" : "s"}`;
  return `no mistake, ${guards} in ${files.map(visible).join(", ")}`;
}
