// SPDX-License-Identifier: MIT
/** What dist/ says of API and feed is what their schemas say, and what the standards want. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv";
import schema from "../../node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json";
import { Message } from "../../src/feed/protocol.ts";
import { documents } from "../../src/http/reference.ts";
import { repository } from "../helpers/paths.ts";

const of = (name: string) => JSON.parse(documents()[name] ?? "");

describe("not stale: else run make docs", () => {
  test.each(Object.entries(documents()))("dist/%s", (name, text) => {
    expect(readFileSync(`${repository}/dist/${name}`, "utf8")).toBe(text);
  });
});

test("the API's is OpenAPI, and has every path that is served", async () => {
  const result = await new Validator().validate(of("openapi.json"));
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  const app = readFileSync(`${repository}/src/http/app.ts`, "utf8");
  const served = [...app.matchAll(/app\.get\("([^"]+)"/g)].map(([, path = ""]) => path);
  const shape = (path: string) => path.replace(/:\w+|\{\w+\}/g, "*");
  const told = Object.keys(of("openapi.json").paths).map(shape);
  const html = ["/", "/feed"];
  expect(
    served
      .map(shape)
      .filter((path) => !html.includes(path))
      .sort(),
  ).toEqual(told.sort());
});

test("the feed's is AsyncAPI, and has every message", () => {
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false, validateFormats: false });
  const validate = ajv.compile(schema);
  validate(of("asyncapi.json"));
  expect(validate.errors ?? []).toEqual([]);
  const names = Object.values(of("asyncapi.json").channels.feed.messages as { name: string }[]);
  const types = Message.options.map(({ entries }) => entries.type.literal);
  expect(names.map(({ name }) => name).sort()).toEqual(
    ["hello", "gap", "samples", "client", ...types].sort(),
  );
});
