// SPDX-License-Identifier: MIT
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dashboard } from "../../src/http/dashboard.ts";
import { repository } from "../helpers/paths.ts";

test.each(Object.entries(dashboard()))("dist/%s is not stale: else run make docs", (name, text) => {
  expect(readFileSync(`${repository}/dist/${name}`, "utf8")).toBe(text);
});
