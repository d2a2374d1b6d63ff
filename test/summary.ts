// SPDX-License-Identifier: MIT
/**
 * The last word of `make test`: why what failed did, what could not run here, then "N passed, N failed" of what really
 * ran. argv: the exit code of bun, which becomes ours when nothing failed, and its junit.xml, one of each run.
 *
 * All else has ended by now. What failed beside boots that want every CPU is tried once more, alone; that it passed at
 * the second try only is said in the last line too.
 */

import { existsSync, readFileSync } from "node:fs";
import { type Case, casesOf } from "./helpers/junit.ts";
import { leftBy } from "./helpers/left.ts";

/** More are no accident. */
const SECOND_TRIES_MOST = 3;
/** What has rounds drawn from a seed is there to find the one in hundreds; a boot has its own clock. */
const ONE_TRY = /\/(rounds|soak)\.test\.ts$|^test\/vm\//;

const [code = "1", ...files] = process.argv.slice(2);
const cases = files.flatMap((file) => casesOf(readFileSync(file, "utf8")));
const failed = cases.filter((one) => one.failure !== null);
const skipped = cases.filter((one) => one.skipped);

for (const { name, failure } of failed) {
  console.log(`FAILED: ${name}\n  ${failure?.replace(/\n+/g, "\n  ")}`);
}
for (const unable of skipped) console.log(`not run: ${unable.name}`);
const seen = new Set(cases.map((one) => one.file));
const LAYERS = "test/{attack,browser,docs,fault,kernel,model,native,unit}/*.test.ts";
const allSeen = [...new Bun.Glob(LAYERS).scanSync()].every((file) => seen.has(file));
const mayRetry = allSeen && failed.length <= SECOND_TRIES_MOST; // a file that cannot be loaded has no case
const mended = mayRetry ? failed.filter(passesAlone) : [];
const wrong = failed.length - mended.length;
const left = leftBy((pid) => !existsSync(`/proc/${pid}`));
for (const path of left) console.log(`LEFT BEHIND, by this run or one before: ${path}`);
const late = mended.length > 0 ? ` (${mended.length} at a second try, alone)` : "";
console.log(`${cases.length - wrong - skipped.length} passed${late}, ${wrong} failed`);
process.exit(wrong + left.length > 0 ? 1 : failed.length > 0 ? 0 : Number(code));

function passesAlone({ file, name }: Case): boolean {
  if (ONE_TRY.test(file)) return false;
  const exactly = `${name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`;
  const seed = /\bSEED=(\d+)/.exec(name)?.[1]; // the name is another one with another seed
  console.log(`second try, alone: ${file}: ${name}`);
  const run = Bun.spawnSync([process.execPath, "test", `./${file}`, "-t", exactly], {
    env: seed === undefined ? process.env : { ...process.env, SEED: seed },
    stdio: ["ignore", "inherit", "inherit"],
  });
  return run.exitCode === 0;
}
