// SPDX-License-Identifier: MIT
/** Where incidents can be exported to: a file of JSON lines, systemd's journal, an OpenTelemetry collector. */

import { hostname } from "node:os";
import { version } from "../../package.json" with { type: "json" };
import { incidentLine } from "../cli/incident-text.ts";
import type { ExportOptions } from "../config/export-schema.ts";
import type { Core } from "../native/core.ts";
import { KeptDisk } from "./disk.ts";
import { Exporter, Refused } from "./exporter.ts";
import type { Incident } from "./incident.ts";
import { fieldsOf, JOURNALD_SOCKET } from "./journald.ts";
import { logsOf } from "./otlp.ts";
import { PLACES } from "./row.ts";

const ANSWER_BOUND_MS = 10_000;
/** Of OTLP over HTTP: what may be tried again. */
const TRY_AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);

interface ExportSetup {
  readonly core: Core;
  readonly print: (line: string) => void;
  readonly say: (text: string) => void;
}

export function exportersOf(
  { jsonl, journald, otlp }: ExportOptions,
  { core, print, say }: ExportSetup,
): Exporter[] {
  return [
    ...(jsonl === undefined ? [] : [toLines(jsonl, print, say)]),
    ...(journald ? [new Exporter(PLACES.journald, "journald", toJournald(core), say)] : []),
    ...(otlp === undefined ? [] : [new Exporter(PLACES.otlp, otlp, toCollector(otlp), say)]),
  ];
}

// --- internal ---

/** What its processes did before is most of it, and is in the journal. */
function withoutFrames({ frames: _, processes: __, ...incident }: Incident) {
  return incident;
}

/** A file's disk may hang, and then whoever writes to it does: not the agent, which could not end. */
function toLines(file: string, print: ExportSetup["print"], say: ExportSetup["say"]): Exporter {
  const lineOf = (incident: Incident) => JSON.stringify(withoutFrames(incident));
  if (file === "-") return new Exporter(PLACES.jsonl, file, (one) => print(lineOf(one)), say);
  const disk = new KeptDisk(file);
  const append = (one: Incident) => disk.ask("append", `${lineOf(one)}\n`);
  return new Exporter(PLACES.jsonl, file, append, say, () => disk.end());
}

function toJournald(core: Core) {
  return (incident: Incident): void =>
    core.sendDatagram(JOURNALD_SOCKET, fieldsOf(incident, incidentLine(incident)));
}

function toCollector(url: string) {
  return async (incident: Incident): Promise<void> => {
    const body = logsOf(incident, {
      text: incidentLine(incident),
      host: hostname(),
      version,
      nowMs: Date.now(),
    });
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_BOUND_MS),
      redirect: "error",
    });
    await response.body?.cancel();
    if (response.ok) return;
    const why = `${response.status} ${response.statusText}`.trim();
    throw TRY_AGAIN.has(response.status) ? new Error(why) : new Refused(why);
  };
}
