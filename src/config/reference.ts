// SPDX-License-Identifier: MIT
/**
 * What dist/ tells of the config file, made from its schema: an example, a JSON schema for editors, the reference page,
 * the man page.
 *
 * `make docs` writes them; test/unit/config-docs.test.ts fails where they are stale. Not part of the binary.
 */

import { toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { item, manPage, roff, verbatim } from "../release/roff.ts";
import { entriesOf, itemOf, unwrapped } from "./keys.ts";
import { ConfigSchema } from "./schema.ts";

export const EXAMPLE = `# Where there is no [allow], reprieve observes.
[allow]
kill = "/tenants/**"
limits = true
hooks = "/usr/local/bin/*"

[deny]
kill = "/tenants/billing"

[[guard]]
name = "tenants"
cgroup = "/tenants/*"
except = ["/tenants/test-*", "/tenants/scratch"]
delay = "200ms"
orders = ["raise=64M:256M", "kill"]
prefer = ["name=worker-*"]
avoid = ["exe=/usr/bin/ssh*,weight=0"]

# More specific than /tenants/*, so that this one decides.
[[guard]]
name = "billing"
cgroup = "/tenants/billing"
margin = "32M"
orders = ["raise=1G", "hook=/usr/local/bin/page-me billing"]
hook_bound = "20ms"
caps = { incident = 1, hour = 3 }

# Of all guards together.
[caps]
hour = 20

[feed]
listen = "127.0.0.1:7461"
`;

/** By their names in dist/. */
export function documents(): Readonly<Record<string, string>> {
  return {
    "reprieve.toml": `#:schema ./reprieve.schema.json\n${EXAMPLE}`,
    "reprieve.schema.json": `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    "reprieve.toml.md": page(),
    "man/reprieve.toml.5": man(),
  };
}

// --- internal ---

const FILES =
  "`reprieve run` alone guards what `/etc/reprieve/reprieve.toml` says, `run --config FILE` what FILE says. Over it come " +
  "its drop-ins, `reprieve.d/*.toml` beside `reprieve.toml`, by the bytes of their names: tables are merged key by key, " +
  "guards of one name too, and of one key the later value holds. Flags win over the files. " +
  "`reprieve check [FILE]` tells all mistakes at once; with `--effective` it tells what is in effect.";
const TRUST =
  "`run` refuses a file, or a directory of drop-ins, that is another user's (root's aside) or that others may write to.";

interface TableText {
  /** As its line in TOML: [feed], [[guard]]. */
  readonly header: string;
  readonly text: string;
  readonly keys: readonly KeyText[];
}

interface KeyText {
  readonly name: string;
  readonly text: string;
  readonly without: string;
}

function tableTexts(): TableText[] {
  return Object.entries(ConfigSchema.entries).map(([name, schema]) => {
    const item = itemOf(schema);
    const text = v.getDescription(unwrapped(item ?? schema)) ?? "";
    const header = item === undefined ? `[${name}]` : `[[${name}]]`;
    return { header, text, keys: keyTexts(item ?? schema) };
  });
}

/** Those of a table in it by their dotted names. */
function keyTexts(schema: v.GenericSchema, prefix = ""): KeyText[] {
  return Object.entries(entriesOf(schema) ?? {}).flatMap(([key, inner]) => {
    const told = unwrapped(inner as v.GenericSchema);
    const name = prefix + key;
    if (entriesOf(told) !== undefined) return keyTexts(told, `${name}.`);
    const { without } = v.getMetadata(told);
    return [{ name, text: v.getDescription(told) ?? "", without: String(without) }];
  });
}

type Json = { [key: string]: Json };

/** What is required may stand in another file: a drop-in is checked by it too. */
function jsonSchema(): Json {
  const options = { typeMode: "input", errorMode: "ignore" } as const;
  const root = toJsonSchema(ConfigSchema, options) as unknown as Json;
  describeKeys(root, ConfigSchema);
  return { title: "reprieve.toml" as unknown as Json, ...root };
}

/** Where a key's text becomes a number, what is told of it comes behind that and is not taken over. */
function describeKeys(json: Json, schema: v.GenericSchema): void {
  delete json.required;
  for (const [key, inner] of Object.entries(entriesOf(schema) ?? {})) {
    const told = unwrapped(inner as v.GenericSchema);
    const property = json.properties?.[key];
    if (property === undefined) continue;
    delete property.without;
    const text = v.getDescription(told);
    if (text !== undefined) property.description = text as unknown as Json;
    const item = itemOf(told);
    if (item === undefined) describeKeys(property, told);
    else if (property.items !== undefined) describeKeys(property.items, item);
  }
}

function page(): string {
  const tables = tableTexts().map(({ header, text, keys }) => {
    const rows = keys.map((key) => `| \`${key.name}\` | ${key.text} | ${key.without} |`);
    const head = "| key | meaning | without it |\n|---|---|---|";
    return `## \`${header}\`\n\n${text}\n\n${head}\n${rows.join("\n")}\n`;
  });
  const example = `    ${EXAMPLE.trimEnd().replaceAll("\n", "\n    ").replace(/ +$/gm, "")}\n`;
  return [
    "<!-- Made by make docs from src/config/schema.ts. -->",
    "# reprieve.toml",
    FILES,
    TRUST,
    example,
    ...tables,
  ]
    .join("\n\n")
    .replace(/\n{3,}/g, "\n\n");
}

function man(): string {
  const tables = tableTexts().map(({ header, text, keys }) => {
    const items = keys.map(({ name, text, without }) =>
      item(`\`${name}\``, `${text} Without it: ${without}.`),
    );
    return `.SS ${header}\n${roff(text)}\n${items.join("\n")}`;
  });
  const body = `.SH NAME
reprieve.toml \\- which memory cgroups reprieve guards, and how
.SH DESCRIPTION
${roff(FILES)}
.PP
${roff(TRUST)}
.SH TABLES
${tables.join("\n")}
.SH EXAMPLE
${verbatim(EXAMPLE.trimEnd())}
.SH SEE ALSO
.BR reprieve (1)`;
  return manPage("reprieve.toml", 5, "src/config/schema.ts", body);
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(documents())) await Bun.write(`dist/${name}`, text);
}
