// SPDX-License-Identifier: MIT
/** An incident as systemd's journal has it (systemd.io/JOURNAL_NATIVE_PROTOCOL). Pure. */

import { type Incident, isResolved } from "./incident.ts";
import { diedIn } from "./left-to.ts";

export const JOURNALD_SOCKET = "/run/systemd/journal/socket";
/** Made for this by `journalctl --new-id128`, and never changed. */
const MESSAGE_ID = "83d65f09e9984601b41b9f1632283515";
/** syslog(3). */
const PRIORITY = { warning: 4, notice: 5 } as const;

/** `text`: for a person. */
export function fieldsOf(incident: Incident, text: string): Uint8Array {
  const dead = diedIn(incident);
  const fields: [name: string, value: string | number][] = [
    ["MESSAGE", text],
    ["MESSAGE_ID", MESSAGE_ID],
    ["PRIORITY", isResolved(incident) ? PRIORITY.notice : PRIORITY.warning],
    ["SYSLOG_IDENTIFIER", "reprieve"],
    ["REPRIEVE_ID", incident.id],
    ["REPRIEVE_GUARD", incident.guard],
    ["REPRIEVE_CGROUP", incident.cgroup],
    ["REPRIEVE_CAUSE", incident.cause],
    ["REPRIEVE_OUTCOME", incident.outcome],
    ["REPRIEVE_REASON", incident.reason],
    ["REPRIEVE_OPENED_USEC", Math.round(incident.opened_t * 1000)],
    ["REPRIEVE_DURATION_USEC", incident.duration_us],
    ...dead.map(({ pid }): [string, number] => ["REPRIEVE_KILLED_PID", pid]),
    ...dead.map(({ comm }): [string, string] => ["REPRIEVE_KILLED_COMM", comm]),
  ];
  return Buffer.concat(fields.map(([name, value]) => fieldOf(name, String(value))));
}

// --- internal ---

/** Names of processes and groups may have lines in them: then the length goes before. */
function fieldOf(name: string, value: string): Buffer {
  if (!value.includes("\n")) return Buffer.from(`${name}=${value}\n`);
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from("\n")]);
}
