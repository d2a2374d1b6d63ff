// SPDX-License-Identifier: MIT
/**
 * The last word of `make test`: why what failed did, what could not run here, then "N passed, N failed" of what really
 * ran. Reads bun's junit.xml; argv: the file, and the exit code of bun, which becomes ours when nothing failed.
 */

import { readFileSync } from "node:fs";

const [file = "", code = "1"] = process.argv.slice(2);
const xml = readFileSync(file, "utf8");
const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
const failed = count("failures") + count("errors");
const skipped = count("skipped");

for (const [, name, message = ""] of xml.matchAll(
  /<testcase name="([^"]*)"[^>]*>\s*<failure[^>]* message="([^"]*)"/g,
)) {
  console.log(`FAILED: ${plain(name)}\n  ${plain(message).trim().replace(/\n+/g, "\n  ")}`);
}
for (const [, name] of xml.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<skipped\b/g)) {
  console.log(`not run: ${name}`);
}
console.log(`${count("tests") - failed - skipped} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : Number(code));

/** Without the entities of XML. */
function plain(text = ""): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(code)),
  );
}
