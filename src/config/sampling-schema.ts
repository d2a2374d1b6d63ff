// SPDX-License-Identifier: MIT
/** How often, and by what, the processes of a group are looked at, as the config file says it. */

import * as v from "valibot";
import { Time } from "../cli/args.ts";
import { SAMPLING, type Sampling, type Source } from "../native/guard-orders.ts";
import { table, told } from "./told.ts";

const A_SOURCE = 'a source is "scan", "events" or "both"';
/** With 1,000 processes in the group such looks take 9 % of a core, with 5,000 36 % (measured). */
const LEAST_MS = 20;
/** Who grows faster than 1 MB a ms fills most groups between two looks: his memory then takes an errand to be found. */
const NEAR_MOST_MS = 1000;
/** A limit that was changed, and on v2 the removal of a quiet group, are seen by this look only. */
const FAR_MOST_MS = 10_000;

export const SamplingRates = v.pipe(
  table(
    {
      far: v.optional(
        told(
          Every("far", FAR_MOST_MS),
          "So often far from its limit. A changed limit is seen by this look too. Of more than 20 guards those in which nothing happens take turns.",
          `\`${SAMPLING.far}ms\``,
        ),
        `${SAMPLING.far}ms`,
      ),
      near: v.optional(
        told(
          Every("near", NEAR_MOST_MS),
          "So often inside the margin, and on cgroup v2 where it is held.",
          `\`${SAMPLING.near}ms\`, or \`far\` where that is shorter`,
        ),
      ),
    },
    "How often the processes of a group are looked at.",
  ),
  v.forward(
    v.check(
      ({ far, near = far }) => near <= far,
      "near its limit it is looked at at least as often as far from it",
    ),
    ["near"],
  ),
  v.transform(({ far, near }): Sampling => ({ far, near: near ?? Math.min(far, SAMPLING.near) })),
);

export const Sources = table(
  {
    source: v.optional(
      told(
        v.pipe(
          v.picklist(["scan", "events", "both"], A_SOURCE),
          v.transform((name) => name.toUpperCase() as Source),
        ),
        "`scan`: processes are found by listing the group at each look. `both`: the kernel tells their births, execs and " +
          "deaths too, those of the whole host (the process connector), so that a newborn is known between two looks. " +
          "`events`: the same, and far from its limit a group is listed at every tenth look only. Where the kernel does " +
          "not tell, which is said, it is `scan`.",
        "`scan`",
      ),
      "scan",
    ),
  },
  "By what it is known which processes there are.",
);

// --- internal ---

function Every(where: string, mostMs: number) {
  const bounds = `${where} is from ${LEAST_MS}ms to ${mostMs / 1000}s`;
  return v.pipe(
    Time,
    v.transform(Math.round),
    v.minValue(LEAST_MS, bounds),
    v.maxValue(mostMs, bounds),
  );
}
