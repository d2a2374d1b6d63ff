// SPDX-License-Identifier: MIT
/** [journal]: where incidents are written down, and how many are kept. */

import * as v from "valibot";
import { JournalPath, Size } from "../cli/args.ts";
import { KEEP_DAYS, KEEP_SIZE } from "../cli/journaled.ts";
import { table, told } from "./told.ts";

/** Ten years: more is no retention. */
const DAYS_MOST = 3650;
/** A hundred incidents or so, and what SQLite itself needs. */
const SIZE_LEAST = 1 << 20;

export const JournalTable = table(
  {
    path: v.optional(
      told(
        JournalPath,
        "Its file, or `none`.",
        "`/var/lib/reprieve/journal.sqlite`; not as root `journal.sqlite` in `reprieve` in `$XDG_STATE_HOME`, or `~/.local/state`",
      ),
    ),
    keep_days: v.optional(
      told(
        v.pipe(
          v.number("this is a number of days, without quotes"),
          v.integer("a number of days is whole"),
          v.minValue(1, "at least 1"),
          v.maxValue(DAYS_MOST, `at most ${DAYS_MOST}`),
        ),
        "How long an incident is kept.",
        `\`${KEEP_DAYS}\``,
      ),
      KEEP_DAYS,
    ),
    keep_size: v.optional(
      told(
        v.pipe(Size, v.minValue(SIZE_LEAST, "a journal gets at least 1M")),
        "How much all of them may take together; then the oldest go.",
        `\`${KEEP_SIZE}\``,
      ),
      KEEP_SIZE,
    ),
  },
  "The journal: incidents, written down when they are over.",
);
