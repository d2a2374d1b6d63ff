// SPDX-License-Identifier: MIT
/** How often the processes of a guard are looked at, as the config file says it. */

import * as v from "valibot";
import { Time } from "../cli/args.ts";
import { SAMPLING, type Sampling } from "../native/region.ts";
import { table, told } from "./told.ts";

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
          "So often far from its limit. A changed limit is seen by this look too.",
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
