// SPDX-License-Identifier: MIT
/** A collector, as far as OTLP's logs in JSON go: by the protocol's own definitions (opentelemetry-proto v1.9.0, in fixtures/otlp). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import protobuf from "protobufjs";
import type { Certificate } from "./certificate.ts";

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
function throughProtobuf(json: object): Logs {
  const wire = Request.encode(Request.fromObject(json)).finish();
  return Request.toObject(Request.decode(wire), { longs: String }) as Logs;
}

export function recordsOf({ resourceLogs }: Logs): LogRecord[] {
  return resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap((of) => of.logRecords));
}

/** Protobuf has no empty lists. */
function withoutEmptyLists(json: object): object {
  const keep = (_: string, value: unknown) =>
    Array.isArray(value) && value.length === 0 ? undefined : value;
  return JSON.parse(JSON.stringify(json, keep));
}

/** What it answers; "hang": nothing. */
type Answer =
  | number
  | "hang"
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: object;
    };

/** As the real one: 405, 415 and 400 for what is no OTLP in JSON (its receiver/otlpreceiver/otlphttp.go), 401 for who may not. */
interface Secured {
  readonly tls: Certificate;
  readonly authorization: string;
}

/** Answers with these, one after the other, and with the last one from then on. */
export class Collector {
  readonly records: LogRecord[] = [];
  /** When each request came. */
  readonly askedMs: number[] = [];
  readonly #server: Bun.Server<undefined>;
  readonly #answers: readonly Answer[];
  readonly #secured: Secured | undefined;

  constructor(answers: readonly Answer[], secured?: Secured) {
    this.#answers = answers;
    this.#secured = secured;
    const tls = secured && {
      cert: readFileSync(secured.tls.cert),
      key: readFileSync(secured.tls.key),
    };
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      ...(tls && { tls }),
      fetch: (request) => this.#answer(request),
    });
  }

  get url(): string {
    return `${this.#secured ? "https" : "http"}://127.0.0.1:${this.#server.port}/v1/logs`;
  }

  get toml(): string {
    return `otlp = "${this.url}"`;
  }

  ids(): unknown[] {
    const isId = ({ key }: { key: string }) => key === "reprieve.incident.id";
    return this.records.map(({ attributes }) => attributes.find(isId)?.value.stringValue);
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  // --- internal ---

  async #answer(request: Request): Promise<Response> {
    const count = this.askedMs.push(Date.now());
    const answer = this.#answers[Math.min(count, this.#answers.length) - 1] ?? 200;
    if (answer === "hang") return await new Promise<Response>(() => {});
    const { headers } = request;
    const authorization = this.#secured?.authorization ?? null;
    if (headers.get("authorization") !== authorization) return new Response("", { status: 401 });
    if (request.method !== "POST") return new Response("", { status: 405 });
    if (headers.get("content-type") !== "application/json")
      return new Response("", { status: 415 });
    const json = (await request.json()) as object;
    const logs = throughProtobuf(json);
    if (!Bun.deepEquals(logs, withoutEmptyLists(json))) return new Response("", { status: 400 });
    if (typeof answer === "number") {
      if (answer === 200) this.records.push(...recordsOf(logs));
      return Response.json({}, { status: answer });
    }
    return Response.json(answer.body ?? {}, answer);
  }
}
