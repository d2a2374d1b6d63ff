// SPDX-License-Identifier: MIT
/** What package-lock.json has: this package, those at the top of node_modules, and of these Bun for a target. */
import { readFileSync } from "node:fs";

interface Locked {
  readonly version: string;
  readonly integrity: string;
  readonly license: string;
  readonly dev?: true;
  readonly dependencies?: Readonly<Record<string, string>>;
}
export type Named = Locked & { readonly name: string };

const TOP = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/;

export function locked(): { readonly own: Named; readonly packages: readonly Named[] } {
  const { "": own, ...all } = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
  const packages = Object.entries<Locked>(all).flatMap(([path, one]) => {
    const name = TOP.exec(path)?.[1];
    return name === undefined ? [] : [{ ...one, name }];
  });
  return { own, packages };
}

export function runtimeOf(target: string): Named {
  const wanted = `@oven/bun-linux-${target.replace("arm64", "aarch64")}`;
  const found = locked().packages.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`package-lock.json has no ${wanted}`);
  return found;
}
