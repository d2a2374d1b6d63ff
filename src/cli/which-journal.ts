// SPDX-License-Identifier: MIT
/** Which journal a command reads that starts nothing. */

import { existsSync } from "node:fs";
import { load } from "../config/load.ts";
import { DEFAULT_CONFIG } from "./flags.ts";
import { defaultJournal } from "./journaled.ts";

/** As this config file says, or the default one where it is there. `failed`: there are mistakes in it, or no such file. */
export function journalOf(
  config: string | undefined,
  failed: (file: string) => void = () => {},
): string | "none" {
  const file = config ?? DEFAULT_CONFIG;
  if (config === undefined && !existsSync(file)) return defaultJournal();
  const loaded = load(file).config;
  if (loaded === undefined) failed(file);
  return loaded?.journal.path ?? defaultJournal();
}
