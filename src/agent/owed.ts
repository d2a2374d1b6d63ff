// SPDX-License-Identifier: MIT
/** What the helpers have raised and could not give back before they ended. */

import type { GuardOrders } from "../native/guard-orders.ts";
import { state } from "../native/layout.ts";
import type { Region } from "../native/region.ts";
import { visible } from "../shown.ts";
import type { RunDir } from "./run-dir.ts";

interface Owed {
  readonly guards: readonly { readonly index: number; readonly guard: GuardOrders }[];
  readonly runDir: RunDir;
  readonly say: (text: string) => void;
}

/** A limit that is still needed as it is: the ledger, which knows what it was, stays for `core release`. */
export function keepWhatIsOwed(region: Region, { guards, runDir, say }: Owed): void {
  for (const { index, guard } of guards) {
    const { path, owned } = guard;
    const isGone = region.state(index) === state.GONE;
    if (owned || isGone || !region.isRaised(index)) continue;
    runDir.keep();
    say(
      `the limit of ${visible(path)} stays raised: it needs that. reprieve release gives it back`,
    );
  }
}
