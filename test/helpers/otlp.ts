// SPDX-License-Identifier: MIT
/** What a collector makes of OTLP in JSON, by the protocol's own definitions (opentelemetry-proto v1.9.0, in fixtures/otlp). */
import { join } from "node:path";
import protobuf from "protobufjs";

const FIXTURES = join(import.meta.dir, "../fixtures/otlp");
const SERVICE = "opentelemetry/proto/collector/logs/v1/logs_service.proto";

export interface LogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly severityText: string;
  readonly attributes: readonly { key: string; value: { stringValue?: string } }[];
}

interface Logs {
  readonly resourceLogs: readonly { scopeLogs: readonly { logRecords: readonly LogRecord[] }[] }[];
}

const root = new protobuf.Root();
root.resolvePath = (_, target) => join(FIXTURES, target);
const Request = root
  .loadSync(SERVICE)
  .lookupType("opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest");

/** As it comes out of protobuf: without what the definitions do not know, and in their types. */
export function throughProtobuf(json: object): Logs {
  const wire = Request.encode(Request.fromObject(json)).finish();
  return Request.toObject(Request.decode(wire), { longs: String }) as Logs;
}

export function recordsOf({ resourceLogs }: Logs): LogRecord[] {
  return resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap((of) => of.logRecords));
}

/** Protobuf has no empty lists. */
export function withoutEmptyLists(json: object): object {
  const keep = (_: string, value: unknown) =>
    Array.isArray(value) && value.length === 0 ? undefined : value;
  return JSON.parse(JSON.stringify(json, keep));
}
