// SPDX-License-Identifier: MIT
/**
 * Runs every program of this folder (built with ASan and UBSan by `make test-native`), and looks at the
 * symbols of the core that ships. Each program is one behaviour; its Description line is its name here.
 */
import { expect, test } from "bun:test";
import { cases, symbols } from "./cases.ts";

const root = `${import.meta.dir}/../..`;
const built = `${root}/dist/build/test/native`;

for (const { name, description } of cases) {
  test(`${name}: ${description}`, () => {
    const run = Bun.spawnSync([`${built}/${name}`], { timeout: 60_000 });
    expect(run.stdout.toString() + run.stderr.toString()).toBe("");
    expect(run.exitCode).toBe(0);
  });
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
