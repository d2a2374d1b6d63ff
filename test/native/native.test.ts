// SPDX-License-Identifier: MIT
/**
 * Runs every program of this folder (built with ASan and UBSan by `make test-native`), and looks at the
 * symbols of the core that ships. Each program is one behaviour; its Description line is its name here.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";

const root = `${import.meta.dir}/../..`;
const built = `${root}/dist/build/test/native`;

for (const file of readdirSync(import.meta.dir)
  .filter((name) => name.endsWith(".c"))
  .sort()) {
  const source = readFileSync(`${import.meta.dir}/${file}`, "utf8");
  const description = source.match(/Description: (.*?)\s*\*\//s)?.[1] ?? file;
  test(`${file}: ${description}`, () => {
    const run = Bun.spawnSync([`${built}/${file.replace(/\.c$/, "")}`], { timeout: 60_000 });
    expect(run.stdout.toString() + run.stderr.toString()).toBe("");
    expect(run.exitCode).toBe(0);
  });
}

/** Names in a symbol table, as `nm` prints them. */
function symbols(file: string, ...options: string[]): string[] {
  const run = Bun.spawnSync(["nm", ...options, file]);
  if (run.exitCode !== 0) throw new Error(`nm ${file}: ${run.stderr}`);
  return run.stdout
    .toString()
    .split("\n")
    .flatMap((line) => line.split(" ").at(-1) || []);
}

test("core holds no allocator and asks nobody for one", () => {
  const core = `${root}/dist/build/core`;
  expect(symbols(core, "-u")).toEqual([]);
  const names = symbols(core);
  expect(names).toContain("responder_loop"); // the table is there, not stripped
  expect(names.filter((name) => /alloc|^free$|sbrk|morecore|arena/.test(name))).toEqual([]);
});

test("core.so asks its host for nothing", () => {
  expect(symbols(`${root}/dist/build/core.so`, "-D", "-u")).toEqual([]);
});
