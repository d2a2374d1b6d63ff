// SPDX-License-Identifier: MIT
/**
 * What dist/ tells of the API and of the feed to programs, made from their schemas: OpenAPI and AsyncAPI.
 *
 * `make docs` writes them; test/unit/http-docs.test.ts fails where they are stale. Not part of the binary.
 */

import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { version } from "../../package.json" with { type: "json" };
import * as protocol from "../feed/protocol.ts";
import { Incident } from "../journal/incident.ts";
import {
  Failure,
  FeedQuery,
  GuardDetails,
  GuardQuery,
  Guards,
  Health,
  IncidentFilter,
  IncidentList,
  Readiness,
} from "./schema.ts";

/** By their names in dist/. */
export function documents(): Readonly<Record<string, string>> {
  return {
    "openapi.json": `${JSON.stringify(openApi(), null, 2)}\n`,
    "asyncapi.json": `${JSON.stringify(asyncApi(), null, 2)}\n`,
  };
}

// --- internal ---

const TITLE = "reprieve";
const LICENSE = { name: "MIT", identifier: "MIT" };
const ABOUT =
  "What reprieve guards, and what has happened. Read-only. Fields may be added; none is renamed or removed.";

/** What each path answers; the others answer no JSON, or what somebody else defines. */
const ANSWERS = {
  "/healthz": { summary: "It runs", schema: Health, isOpen: true, failures: [] },
  "/readyz": {
    summary: "The guards are armed and the helpers at work, or why not (503)",
    schema: Readiness,
    isOpen: true,
    failures: [],
  },
  "/api/guards": { summary: "All guards as they stand", schema: Guards, failures: [] },
  "/api/guards/{name}": {
    summary:
      "One guard, with its last minutes and its last 20 incidents; in its name a slash is %2F",
    schema: GuardDetails,
    query: GuardQuery,
    failures: [400, 404],
  },
  "/api/incidents": {
    summary: "Incidents, newest first",
    schema: IncidentList,
    query: IncidentFilter,
    failures: [400, 503],
  },
  "/api/incidents/{id}": { summary: "One incident", schema: Incident, failures: [404, 503] },
  "/api/explain/{name}": {
    summary: "What `reprieve explain --json` says of the guard",
    failures: [404],
  },
} as const;

const WHY: Readonly<Record<number, string>> = {
  400: "a parameter is wrong",
  401: "without the token",
  403: "a browser of another origin, or a host name that is not ours",
  404: "there is no such thing",
  429: "too many requests",
  503: "it may be in the journal's file, which cannot be read now",
};

function openApi(): object {
  const paths = Object.entries(ANSWERS).map(([path, answer]) => [
    path,
    { get: operation(path, answer) },
  ]);
  const security = [{ bearer: [] }, { cookie: [] }];
  return {
    openapi: "3.1.0",
    info: { title: TITLE, version, description: ABOUT, license: LICENSE },
    security,
    paths: { ...Object.fromEntries(paths), "/metrics": { get: metrics() } },
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer" },
        cookie: { type: "apiKey", in: "cookie", name: "reprieve-7461" },
      },
      schemas: { Failure: jsonOf(Failure) },
    },
  };
}

interface Answer {
  readonly summary: string;
  readonly schema?: v.GenericSchema;
  readonly query?: v.GenericSchema;
  readonly isOpen?: boolean;
  readonly failures: readonly number[];
}

function operation(path: string, { summary, schema, query, isOpen, failures }: Answer): object {
  const codes = isOpen ? [] : [...failures, 401, 403, 429];
  const failed = codes.map((code) => [code, { description: WHY[code], content: json(FAILURE) }]);
  const content = json(schema === undefined ? { type: "object" } : jsonOf(schema));
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return {
    summary,
    ...(isOpen && { security: [] }),
    ...(names.length + (query ? 1 : 0) > 0 && {
      parameters: [...names, ...(query ? queryOf(query) : [])],
    }),
    responses: { 200: { description: "OK", content }, ...Object.fromEntries(failed) },
  };
}

const FAILURE = { $ref: "#/components/schemas/Failure" };

function json(schema: object) {
  return { "application/json": { schema } };
}

function metrics(): object {
  return {
    summary: "For Prometheus",
    responses: {
      200: { description: "OK", content: { "text/plain": { schema: { type: "string" } } } },
    },
  };
}

function queryOf(schema: v.GenericSchema): object[] {
  const { properties = {} } = jsonOf(schema, "input") as { properties?: Record<string, object> };
  return Object.entries(properties).map(([name, one]) => ({ name, in: "query", schema: one }));
}

/** What the server sends, and what a client may. */
const SENT: Readonly<Record<string, v.GenericSchema>> = {
  hello: protocol.Hello,
  gap: protocol.Gap,
  samples: protocol.Samples,
  ...Object.fromEntries(
    protocol.Message.options.map((one) => [one.entries.type.literal as string, one]),
  ),
};

function asyncApi(): object {
  const heard = { client: jsonOf(protocol.ClientMessage, "input") };
  const message = (name: string, payload: object) => ({ name, payload });
  const sent = Object.entries(SENT).map(([name, schema]) => [
    idOf(name),
    message(name, jsonOf(schema)),
  ]);
  const refs = (names: readonly string[]) =>
    names.map((name) => ({ $ref: `#/channels/feed/messages/${name}` }));
  return {
    asyncapi: "3.0.0",
    info: { title: TITLE, version, description: ABOUT, license: { name: LICENSE.name } },
    servers: { local: { host: "127.0.0.1:7461", protocol: "ws" } },
    channels: {
      feed: {
        address: "/feed",
        description: "Messages but hello, gap and samples have seq too: the number in their run.",
        messages: {
          ...Object.fromEntries(sent),
          client: message("client", heard.client),
        },
        bindings: {
          ws: { method: "GET", query: jsonOf(FeedQuery, "input"), bindingVersion: "0.1.0" },
        },
      },
    },
    operations: {
      tell: {
        action: "send",
        channel: { $ref: "#/channels/feed" },
        messages: refs(Object.keys(SENT).map(idOf)),
      },
      hear: {
        action: "receive",
        channel: { $ref: "#/channels/feed" },
        messages: refs(["client"]),
      },
    },
  };
}

/** A name without the dot that a key must not have. */
function idOf(name: string): string {
  return name.replaceAll(".", "-");
}

function jsonOf(schema: v.GenericSchema, typeMode: "input" | "output" = "output"): object {
  const { $schema: _, ...rest } = toJsonSchema(schema, {
    typeMode,
    errorMode: "ignore",
    target: "draft-2020-12",
  });
  return rest;
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(documents())) await Bun.write(`dist/${name}`, text);
}
