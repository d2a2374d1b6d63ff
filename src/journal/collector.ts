// SPDX-License-Identifier: MIT
/** An OpenTelemetry collector, by HTTP, with what its protocol wants of a client (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response"). */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { version } from "../../package.json" with { type: "json" };
import { incidentLine } from "../cli/incident-text.ts";
import type { ExportOptions } from "../config/export-schema.ts";
import { CliError, exit } from "../errors.ts";
import { readSecret } from "../secret.ts";
import { visible } from "../shown.ts";
import { Later, Refused, type Send } from "./exporter.ts";
import { logsOf } from "./otlp.ts";

const ANSWER_BOUND_MS = 10_000;
/** It is an object of two fields. */
const ANSWER_MOST_BYTES = 64 * 1024;
const SAID_MOST = 200;
/** What may be tried again; all else that is no success may not. */
const TRY_AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);

type Collector = Pick<ExportOptions, "otlp_headers_file" | "otlp_ca">;

/** Reads its files now: a disk that hangs later hangs nobody. */
export function toCollector(url: string, { otlp_headers_file, otlp_ca }: Collector): Send {
  const headers = otlp_headers_file === undefined ? new Headers() : headersIn(otlp_headers_file);
  headers.set("content-type", "application/json");
  const tls = otlp_ca === undefined ? {} : { tls: { ca: read(otlp_ca) } };
  return async (incident) => {
    const about = { text: incidentLine(incident), host: hostname(), version, nowMs: Date.now() };
    const response = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(logsOf(incident, about)),
      signal: AbortSignal.timeout(ANSWER_BOUND_MS),
      redirect: "error",
      ...tls,
    });
    const answer = await firstOf(response);
    if (!response.ok) throw failureOf(response);
    const why = rejectionIn(answer);
    if (why !== undefined) throw new Refused(why);
  };
}

// --- internal ---

/** A line each, `Name: value`. */
function headersIn(path: string): Headers {
  const cannot = `cannot use the headers of ${path}`;
  const lines = read(path, (file) => readSecret(file, cannot)).split("\n");
  const headers = new Headers();
  for (const line of lines.filter((one) => one.trim() !== "")) {
    const [name = "", ...value] = line.split(":");
    try {
      if (value.length === 0) throw new TypeError("it has no colon");
      headers.set(name.trim(), value.join(":").trim());
    } catch {
      throw new CliError(
        exit.usage,
        `${cannot}: a line is a header, like Authorization: Bearer ...`,
      );
    }
  }
  return headers;
}

function read(path: string, by = (file: string) => readFileSync(file, "utf8")): string {
  try {
    return by(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof CliError || code === undefined) throw error;
    throw new CliError(exit.usage, `cannot read ${path} (${code})`);
  }
}

function failureOf({ status, statusText, headers }: Response): Error {
  const why = `${status} ${visible(statusText)}`.trim();
  return TRY_AGAIN.has(status)
    ? new Later(why, millisecondsOf(headers.get("retry-after")))
    : new Refused(why);
}

/** Seconds, or a date. */
function millisecondsOf(retryAfter: string | null): number {
  if (retryAfter === null) return 0;
  const ms = /^\d+$/.test(retryAfter)
    ? Number(retryAfter) * 1000
    : Date.parse(retryAfter) - Date.now();
  return Number.isNaN(ms) ? 0 : ms;
}

async function firstOf({ body }: Response): Promise<string> {
  let [text, bytes] = ["", 0];
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    bytes += chunk.length;
    if (bytes > ANSWER_MOST_BYTES) break;
  }
  return text;
}

/** A success may be a partial one: of one record that is none. undefined: it has been taken. */
function rejectionIn(answer: string): string | undefined {
  try {
    const { partialSuccess = {} } = JSON.parse(answer);
    const { rejectedLogRecords = 0, errorMessage = "" } = partialSuccess;
    if (Number(rejectedLogRecords) === 0) return undefined;
    return `rejected: ${visible(String(errorMessage)).slice(0, SAID_MOST)}`;
  } catch {
    return undefined; // it has said 200, in no words of the protocol
  }
}
