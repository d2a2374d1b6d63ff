// SPDX-License-Identifier: MIT
/** Where incidents can be exported to: a file of JSON lines, systemd's journal, an OpenTelemetry collector. */

import { incidentLine } from "../cli/incident-text.ts";
import type { ExportOptions } from "../config/export-schema.ts";
import type { Core } from "../native/core.ts";
import { toCollector } from "./collector.ts";
import { KeptDisk } from "./disk.ts";
import { Exporter } from "./exporter.ts";
import type { Incident } from "./incident.ts";
import { fieldsOf, JOURNALD_SOCKET } from "./journald.ts";
import { PLACES } from "./row.ts";

interface ExportSetup {
  readonly core: Core;
  readonly print: (line: string) => void;
  readonly say: (text: string) => void;
}

export function exportersOf(
  { jsonl, journald, otlp, ...collector }: ExportOptions,
  { core, print, say }: ExportSetup,
): Exporter[] {
  return [
    ...(jsonl === undefined ? [] : [toLines(jsonl, print, say)]),
    ...(journald ? [new Exporter(PLACES.journald, "journald", toJournald(core), say)] : []),
    ...(otlp === undefined
      ? []
      : [new Exporter(PLACES.otlp, otlp, toCollector(otlp, collector), say)]),
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
