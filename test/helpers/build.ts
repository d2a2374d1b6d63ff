// SPDX-License-Identifier: MIT
/** Compiles a fixture when it is missing or older than its source. */
import { mkdirSync, statSync } from "node:fs";
import { fixtures, fixturesBuilt } from "./paths.ts";

const FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"];
const fresh = new Set<string>();

/** The path of the compiled fixture. */
export function fixture(name: string): string {
  const out = `${fixturesBuilt}/${name}`;
  if (fresh.has(name)) return out;
  const sources = [`${fixtures}/${name}.c`, `${fixtures}/slot.h`];
  if (changedMs(out) <= Math.max(...sources.map(changedMs))) {
    mkdirSync(fixturesBuilt, { recursive: true });
    const cc = process.env.CC ?? "gcc";
    const made = Bun.spawnSync([cc, ...FLAGS, "-o", out, `${fixtures}/${name}.c`, "-lpthread"]);
    if (!made.success) throw new Error(`Cannot compile ${name}: ${made.stderr}`);
  }
  fresh.add(name);
  return out;
}

function changedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
