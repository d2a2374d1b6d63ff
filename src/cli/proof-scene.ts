// SPDX-License-Identifier: MIT
/** What doctor's checks and live proofs share. */

import type { Kind } from "../cgroup/kind.ts";
import { CliError } from "../errors.ts";
import type { Core } from "../native/core.ts";
import type { CoreImage } from "../native/embed.ts";
import type { Signals } from "./command.ts";

export interface Check {
  readonly name: string;
  readonly status: "ok" | "no" | "note";
  readonly detail: string;
}

export function check(name: string, status: Check["status"], detail: string): Check {
  return { name, status, detail };
}

/** Of the group in which the proofs are made. */
export const LIMIT_BYTES = 32 * 2 ** 20;
/** A step takes milliseconds, on v2 up to 2 s; a proof that takes longer has failed. */
export const BOUND_MS = 5000;
const TICK_MS = 1;

export interface Scene {
  readonly core: Core;
  readonly kind: Kind;
  readonly image: CoreImage;
  readonly group: string;
  readonly signals: Signals;
}

/** False at the bound. Every wait of a proof is this one: a signal unwinds all that was changed. */
export async function until({ signals }: Scene, done: () => boolean): Promise<boolean> {
  const deadline = performance.now() + BOUND_MS;
  while (!done()) {
    if (signals.received !== undefined) {
      throw new CliError(signals.code, `${signals.received}: the proofs were broken off`);
    }
    if (performance.now() > deadline) return false;
    await Bun.sleep(TICK_MS);
  }
  return true;
}
