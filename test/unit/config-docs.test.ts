// SPDX-License-Identifier: MIT
/** What dist/ and the README say of the config file is what its schema says. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { entriesOf, itemOf, unwrapped } from "../../src/config/keys.ts";
import { load } from "../../src/config/load.ts";
import { documents, EXAMPLE } from "../../src/config/reference.ts";
import { ConfigSchema } from "../../src/config/schema.ts";
import { repository } from "../helpers/paths.ts";

describe("not stale: else run make docs", () => {
  test.each(Object.entries(documents()))("dist/%s", (name, text) => {
    expect(readFileSync(`${repository}/dist/${name}`, "utf8")).toBe(text);
  });

  test("the README's example", () => {
    const shown = EXAMPLE.trimEnd().replace(/^(?=.)/gm, "    ");
    expect(readFileSync(`${repository}/README.md`, "utf8")).toContain(shown);
  });
});

test("the example has no mistake", () => {
  expect(load(`${repository}/dist/reprieve.toml`).mistakes).toEqual([]);
});

test("every table and key is told of, on the page, in the man page and to editors", () => {
  const { "reprieve.toml.md": page = "", "reprieve.toml.5": man = "", ...others } = documents();
  const json = JSON.parse(others["reprieve.schema.json"] ?? "");
  for (const [name, schema] of Object.entries(ConfigSchema.entries)) {
    const item = itemOf(schema);
    const entries = Object.entries(entriesOf(item ?? schema) ?? {});
    const table = json.properties[name].items ?? json.properties[name];
    expect(table.description.length).toBeGreaterThan(10);
    expect(entries.length).toBeGreaterThan(0);
    expect(Object.keys(table.properties)).toEqual(entries.map(([key]) => key));
    expect(table.additionalProperties).toBe(false);
    for (const [key, inner] of entries) {
      const told = v.getDescription(unwrapped(inner as v.GenericSchema)) ?? "";
      expect(`${key}: ${told}`.length).toBeGreaterThan(key.length + 12);
      expect(page).toContain(`| \`${key}\` | ${told} |`);
      expect(man).toContain(`.B ${key}\n`);
      expect(table.properties[key].description).toBe(told);
      expect(table.properties[key].without).toBeUndefined();
    }
  }
});
