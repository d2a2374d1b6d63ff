// SPDX-License-Identifier: MIT
/** What dist/ says of the config file is what its schema says. */
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

  test("the example on its page", () => {
    expect(readFileSync(`${repository}/dist/docs/reference-config.md`, "utf8")).toContain(
      `\n${EXAMPLE.trimEnd()}\n`,
    );
  });
});

test("the example has no mistake", () => {
  expect(load(`${repository}/dist/reprieve.toml`).mistakes).toEqual([]);
});

type Shown = { properties: Record<string, Shown>; items?: Shown } & Record<string, unknown>;

describe("every table and key is told of, on the page, in the man page and to editors", () => {
  const { "reprieve.toml.md": page = "", "man/reprieve.toml.5": man = "", ...others } = documents();
  const json: Shown = JSON.parse(others["reprieve.schema.json"] ?? "");

  function expectTold(schema: v.GenericSchema, shown: Shown, prefix = ""): void {
    const entries = Object.entries(entriesOf(schema) ?? {});
    expect(String(shown.description).length).toBeGreaterThan(10);
    expect(entries.length).toBeGreaterThan(0);
    expect(Object.keys(shown.properties)).toEqual(entries.map(([key]) => key));
    expect(shown.additionalProperties).toBe(false);
    for (const [key, inner] of entries) {
      const told = unwrapped(inner as v.GenericSchema);
      const property = shown.properties[key] as Shown;
      if (entriesOf(told) !== undefined) expectTold(told, property, `${prefix}${key}.`);
      else expectKey(`${prefix}${key}`, v.getDescription(told) ?? "", property);
    }
  }

  function expectKey(name: string, text: string, property: Shown): void {
    expect(text.length).toBeGreaterThan(10);
    expect(page).toContain(`| \`${name}\` | ${text} |`);
    expect(man).toContain(`.TP\n\\fB${name}\\fR\n`);
    expect(property.description).toBe(text);
    expect(property.without).toBeUndefined();
  }

  test.each(Object.entries(ConfigSchema.entries))("%s", (name, schema) => {
    const item = itemOf(schema);
    const shown = json.properties[name] as Shown;
    expectTold(item ?? schema, item === undefined ? shown : (shown.items as Shown));
  });
});
