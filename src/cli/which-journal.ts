// SPDX-License-Identifier: MIT
/** Which journal a command reads that starts nothing. */

import { existsSync } from "node:fs";
import { load } from "../config/load.ts";
import { DEFAULT_CONFIG } from "./flags.ts";
import { defaultJournal } from "./journaled.ts";

/** As this config file says, or the default one where it is there. */
export function journalOf(config: string | undefined): string | "none" {
  const file = config ?? DEFAULT_CONFIG;
  const isThere = config !== undefined || existsSync(file);
  return (isThere ? load(file).config?.journal.path : undefined) ?? defaultJournal();
}
