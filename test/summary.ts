// SPDX-License-Identifier: MIT
/**
 * The last word of `make test`: why what failed did, what could not run here, then "N passed, N failed" of what really
 * ran. Reads bun's junit.xml; argv: the file, and the exit code of bun, which becomes ours when nothing failed.
 */

import { readFileSync } from "node:fs";
import { casesOf } from "./helpers/junit.ts";

const [file = "", code = "1"] = process.argv.slice(2);
const xml = readFileSync(file, "utf8");
const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
const failed = count("failures") + count("errors");
const skipped = count("skipped");

const cases = casesOf(xml);
for (const { name, failure } of cases) {
  if (failure !== null) console.log(`FAILED: ${name}\n  ${failure.replace(/\n+/g, "\n  ")}`);
}
for (const unable of cases.filter((one) => one.skipped)) console.log(`not run: ${unable.name}`);
console.log(`${count("tests") - failed - skipped} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : Number(code));
