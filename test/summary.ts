// SPDX-License-Identifier: MIT
/**
 * The last word of `make test`: why what failed did, what could not run here, then "N passed, N failed" of what really
 * ran. argv: the exit code of bun, which becomes ours when nothing failed, and its junit.xml, one of each run.
 */

import { readFileSync } from "node:fs";
import { casesOf } from "./helpers/junit.ts";

const [code = "1", ...files] = process.argv.slice(2);
const reports = files.map((file) => readFileSync(file, "utf8"));
const heads = reports.map((xml) => /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "");
const count = (name: string) => {
  const pattern = new RegExp(`\\b${name}="(\\d+)"`);
  return heads.reduce((sum, head) => sum + Number(pattern.exec(head)?.[1] ?? 0), 0);
};
const failed = count("failures") + count("errors");
const skipped = count("skipped");

const cases = reports.flatMap(casesOf);
for (const { name, failure } of cases) {
  if (failure !== null) console.log(`FAILED: ${name}\n  ${failure.replace(/\n+/g, "\n  ")}`);
}
for (const unable of cases.filter((one) => one.skipped)) console.log(`not run: ${unable.name}`);
console.log(`${count("tests") - failed - skipped} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : Number(code));
