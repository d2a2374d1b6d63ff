// SPDX-License-Identifier: MIT
/** How much of the time a group waits for memory, as the kernel tells it of groups of v2. */

import { join } from "node:path";
import { readIfThere } from "./files.ts";

export interface Pressure {
  readonly some_avg10: number;
  readonly full_avg10: number;
}

/** Undefined: it is not told. */
export function pressureOf(group: string): Pressure | undefined {
  return parsePressure(readIfThere(join(group, "memory.pressure")) ?? "");
}

/** Of a file by Documentation/accounting/psi.rst. */
export function parsePressure(text: string): Pressure | undefined {
  const [some, full] = ["some", "full"].map((kind) =>
    Number(new RegExp(`^${kind} avg10=(\\d+\\.\\d+) `, "m").exec(text)?.[1]),
  );
  if (some === undefined || full === undefined || Number.isNaN(some + full)) return undefined;
  return { some_avg10: some, full_avg10: full };
}
