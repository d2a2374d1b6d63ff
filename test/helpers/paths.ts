// SPDX-License-Identifier: MIT
/** Where things are: the binary under test, the compiled fixtures, the memory hierarchy. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

export const repository = resolve(import.meta.dir, "../..");
export const binary = process.env.REPRIEVE ?? `${repository}/dist/reprieve`;
export const fixtures = `${repository}/test/fixtures`;
export const fixturesBuilt = `${repository}/dist/build/test`;
export const runBase = "/run/reprieve";

/** Mount point of the first cgroup v1 hierarchy that has the controller; null without one. */
export function hierarchy(controller: string): string | null {
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup" && options.split(",").includes(controller)) {
      return left.split(" ")[4] ?? null;
    }
  }
  return null;
}

export const memoryRoot = hierarchy("memory");
