// SPDX-License-Identifier: MIT
/** Compiles a fixture when it is missing or older than its source. */
import { mkdirSync, renameSync, statSync } from "node:fs";
import { fixtures, fixturesBuilt, repository } from "./paths.ts";

const FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"];
const fresh = new Set<string>();

/** The path of the compiled fixture, or of another folder's program. */
export function fixture(name: string, folder = fixtures): string {
  const out = `${fixturesBuilt}/${name}`;
  if (fresh.has(name)) return out;
  const source = `${folder}/${name}.c`;
  const sources = [source, `${fixtures}/slot.h`, `${repository}/native/designate.h`];
  if (changedMs(out) <= Math.max(...sources.map(changedMs))) {
    mkdirSync(fixturesBuilt, { recursive: true });
    const cc = process.env.CC ?? "gcc";
    const own = `${out}.${process.pid}`; // another run of tests may make or run it now
    const made = Bun.spawnSync([cc, ...FLAGS, "-o", own, source, "-lpthread"]);
    if (!made.success) throw new Error(`Cannot compile ${name}: ${made.stderr}`);
    renameSync(own, out);
  }
  fresh.add(name);
  return out;
}

function changedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
