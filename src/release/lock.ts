// SPDX-License-Identifier: MIT
/** What package-lock.json has of Bun for a target. */
import { readFileSync } from "node:fs";

export interface Locked {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

export function runtimeOf(target: string): Locked {
  const name = `@oven/bun-linux-${target.replace("arm64", "aarch64")}`;
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  return { ...packages[`node_modules/${name}`], name };
}
