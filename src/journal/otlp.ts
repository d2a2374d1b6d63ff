// SPDX-License-Identifier: MIT
/** An incident as an OpenTelemetry collector takes it: OTLP 1.x, logs, JSON (opentelemetry.io/docs/specs/otlp). Pure. */

import { type Incident, isResolved, type Victim } from "./incident.ts";

/** Of the data model of logs. */
const SEVERITY = { INFO: 9, WARN: 13 } as const;

interface About {
  /** For a person. */
  readonly text: string;
  readonly host: string;
  readonly version: string;
  readonly nowMs: number;
}

export function logsOf(incident: Incident, { text, host, version, nowMs }: About) {
  const severity = isResolved(incident) ? "INFO" : "WARN";
  const resource = { "service.name": "reprieve", "service.version": version, "host.name": host };
  const record = {
    timeUnixNano: nanoseconds(incident.opened_t),
    observedTimeUnixNano: nanoseconds(nowMs),
    severityNumber: SEVERITY[severity],
    severityText: severity,
    eventName: "reprieve.incident",
    body: { stringValue: text },
    attributes: attributesOf({
      "reprieve.incident.id": incident.id,
      "reprieve.guard": incident.guard,
      "reprieve.cgroup": incident.cgroup,
      "reprieve.cause": incident.cause,
      "reprieve.outcome": incident.outcome,
      "reprieve.reason": incident.reason,
      "reprieve.duration_us": incident.duration_us,
      "reprieve.recovered": incident.recovered,
      "reprieve.victims": incident.victims.map(nameOf),
      "reprieve.kernel_killed": (incident.kernel_killed ?? []).map(nameOf),
      "reprieve.ended": (incident.ended ?? []).map(nameOf),
    }),
  };
  return {
    resourceLogs: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeLogs: [{ scope: { name: "reprieve", version }, logRecords: [record] }],
      },
    ],
  };
}

// --- internal ---

type Value = string | number | boolean | readonly string[];

function attributesOf(values: Readonly<Record<string, Value>>) {
  return Object.entries(values).map(([key, value]) => ({ key, value: anyValueOf(value) }));
}

function nameOf({ pid, comm }: Pick<Victim, "pid" | "comm">): string {
  return `${comm} (${pid})`;
}

/** 64-bit numbers are text in the JSON of protobuf. */
function anyValueOf(value: Value) {
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return { intValue: String(value) };
  if (typeof value === "string") return { stringValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}

function nanoseconds(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
