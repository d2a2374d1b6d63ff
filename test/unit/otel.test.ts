// SPDX-License-Identifier: MIT
/** dist/otel/collector.yaml, as far as no collector is to be had: all that it speaks of is defined in it, and the other way round. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { repository } from "../helpers/paths.ts";

type Parts = Record<"extensions" | "receivers" | "processors" | "exporters", object>;
interface Config extends Parts {
  readonly service: {
    readonly extensions: string[];
    readonly pipelines: Record<string, Record<keyof Parts, string[]>>;
  };
}

test("uses what it defines", () => {
  const text = readFileSync(`${repository}/dist/otel/collector.yaml`, "utf8");
  const { service, ...defined } = Bun.YAML.parse(text) as Config;
  expect(Object.keys(service.pipelines)).toEqual(["logs"]);
  const used = { ...service.pipelines.logs, extensions: service.extensions };
  for (const [part, names] of Object.entries(used))
    expect([part, Object.keys(defined[part as keyof Parts])]).toEqual([part, names]);
  expect(text).toContain("sending_queue: { storage: file_storage }");
});
