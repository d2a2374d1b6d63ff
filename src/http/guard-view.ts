// SPDX-License-Identifier: MIT
/** A guard as the API shows it. Pure. */

import type { Present } from "../feed/present.ts";
import type { GuardView } from "./schema.ts";

/** undefined: there is no such guard. */
export function viewOf(present: Present, name: string): GuardView | undefined {
  const armed = present.armed(name);
  if (armed === undefined) return undefined;
  const now = present.guard(name);
  const opened = present.opened(name);
  const openedT = opened?.opened_t ?? opened?.t ?? 0;
  return {
    guard: name,
    cgroup: armed.cgroup,
    hierarchy: armed.hierarchy,
    state: now?.state ?? "none",
    usage_bytes: now?.usage_bytes ?? 0,
    limit_bytes: now?.limit_bytes ?? null,
    procs: now?.procs ?? 0,
    delay_ms: armed.delay_ms,
    margin_bytes: armed.margin_bytes,
    when: armed.when ?? "at-oom",
    orders: armed.orders,
    powers: armed.powers,
    handler: now?.handler ?? "own",
    pressure: now?.pressure ?? null,
    incident: opened
      ? {
          incident: opened.incident,
          ...(opened.id !== undefined && { id: opened.id }),
          opened_t: openedT,
          deadline_t: openedT + armed.delay_ms,
        }
      : null,
  };
}
