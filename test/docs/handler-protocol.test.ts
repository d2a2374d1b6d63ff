// SPDX-License-Identifier: MIT
/** dist/docs/handler-protocol.md has every field of native/designate.h at its place, and every refusal. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { repository } from "../helpers/paths.ts";

const header = readFileSync(`${repository}/native/designate.h`, "utf8");
const page = readFileSync(`${repository}/dist/docs/handler-protocol.md`, "utf8");
/** The only struct in a struct. */
const PROCESS_BYTES = 40;

interface Field {
  readonly at: number;
  readonly type: string;
  readonly name: string;
}

/** As C lays it out: each member at a multiple of its size, which the header's own asserts and fixed sizes keep true. */
function fieldsOf(struct: string): Field[] {
  const body = new RegExp(`struct ${struct} \\{([^}]*)\\};`).exec(header)?.[1] ?? "";
  const code = body.replace(/\/\*.*?\*\//gs, "");
  let at = 0;
  return [...code.matchAll(/(\w+|struct \w+)\s+(\w+)(?:\[(\w+)\])?;/g)].map((found) => {
    const [, type = "", name = "", count] = found;
    const bits = Number(/uint(\d+)_t/.exec(type)?.[1] ?? 0);
    const one = bits > 0 ? bits / 8 : type === "char" ? 1 : PROCESS_BYTES;
    const many = count === undefined ? undefined : (enumerated(count) ?? Number(count));
    const field = { at, type: typeWords(bits, one, many), name };
    at += one * (many ?? 1);
    return field;
  });
}

function typeWords(bits: number, bytes: number, many: number | undefined): string {
  if (many === undefined) return `u${bits}`;
  return bytes === 1 ? `${many} bytes` : `${many} times ${bytes} bytes`;
}

function enumerated(name: string): number | undefined {
  const found = new RegExp(`\\b${name} = (\\d+)`).exec(header)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The rows of the table behind the words. */
function toldBehind(words: string): Field[] {
  const rows = page.slice(page.indexOf(words)).split("\n| at | type |")[1]?.split("\n\n")[0] ?? "";
  return [...rows.matchAll(/^\| (\d+) \| ([^|]+) \| `(\w+)` \|/gm)].map(
    ([, at, type = "", name = ""]) => ({ at: Number(at), type, name }),
  );
}

test.each([
  ["designate_request", "### The request"],
  ["designate_answer", "### The answer"],
  ["designate_page", "## The memory file"],
  ["designate_process", "Of each process:"],
])("%s is told field by field", (struct, words) => {
  const fields = fieldsOf(struct);
  expect(fields.length).toBeGreaterThan(4);
  expect(toldBehind(words)).toEqual(fields);
});

test("every refusal is told, with its number", () => {
  const refusals = [...header.matchAll(/\b(REFUSED_\w+)\s*=\s*(\d+)/g)].map(
    ([, n, v]) => `${v} ${n}`,
  );
  const told = [...page.matchAll(/^\| (\d+) `(REFUSED_\w+)` \|/gm)].map(([, v, n]) => `${v} ${n}`);
  expect(refusals.length).toBeGreaterThan(5);
  expect(told).toEqual(refusals);
});
