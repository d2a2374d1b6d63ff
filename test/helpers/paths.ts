// SPDX-License-Identifier: MIT
/** Where things are: the binary under test, the compiled fixtures, the hierarchies. */
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

const memoryV1 = hierarchy("memory");
const memoryV2 = unified("memory");

/** A controller is in one hierarchy only. Null: memory is nowhere. */
export const memoryRoot = memoryV1 ?? memoryV2;
export const memoryVersion = memoryV1 === null && memoryV2 !== null ? 2 : 1;

/** Mount point of the cgroup v2 hierarchy that has the controller; null without one. */
function unified(controller: string): string | null {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const roots = lines.filter((line) => line.includes(" - cgroup2 ")).map((l) => l.split(" ")[4]);
  const has = (root: string) =>
    readFileSync(`${root}/cgroup.controllers`, "utf8").trim().split(" ").includes(controller);
  return roots.find((root) => root !== undefined && has(root)) ?? null;
}

/** For what does not search a path, or like the shell of busybox has a program of that name itself. */
export function programOf(name: string): string {
  return Bun.which(name) ?? name;
}
