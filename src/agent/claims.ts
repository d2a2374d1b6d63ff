// SPDX-License-Identifier: MIT
/** What the agent asks of who knows the policy. */

import type { OurSwitch } from "../cgroup/kind.ts";
import type { GuardOrders } from "../native/guard-orders.ts";

/** Who says which groups are guarded (cli/latecomers.ts). Paths are directories. */
export interface Claims {
  /** The orders for the group that is there now, whose lock and place in the ledger are ours; undefined: it is left alone. */
  claim(path: string, index: number): GuardOrders | undefined;
  /** Gives up lock and place: it is put back, or gone. */
  giveUp(path: string, index: number): void;
  /** Nothing is there any more. */
  forget(path: string): void;
  /** Why a group that is guarded is not to be any more; undefined: it is. */
  whyNotAnyMore(path: string, ours: OurSwitch): string | undefined;
  /** Groups were named, and none of them is there any more. */
  areAllGone(): boolean;
  /** It is the group that was named, whatever it is called by now: the helpers tell when it is gone. */
  readonly arePinned: boolean;
}
