// SPDX-License-Identifier: MIT
/** The programs of this folder, each one behaviour; and the symbols of what is built beside them. */
import { readdirSync, readFileSync } from "node:fs";

export const cases = readdirSync(import.meta.dir)
  .filter((name) => name.endsWith(".c"))
  .sort()
  .map((file) => {
    const source = readFileSync(`${import.meta.dir}/${file}`, "utf8");
    return {
      name: file.replace(/\.c$/, ""),
      description: source.match(/Description: (.*?)\s*\*\//s)?.[1] ?? file,
    };
  });

/** Names in a symbol table, as `nm` prints them. */
export function symbols(file: string, ...options: string[]): string[] {
  const run = Bun.spawnSync(["nm", ...options, file]);
  if (run.exitCode !== 0) throw new Error(`nm ${file}: ${run.stderr}`);
  return run.stdout
    .toString()
    .split("\n")
    .flatMap((line) => line.split(" ").at(-1) || []);
}
