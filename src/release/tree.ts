// SPDX-License-Identifier: MIT
/**
 * The root tree of the image: this binary, and the libraries that it names, Debian's for its CPU. Nothing else: no shell,
 * no package manager, no /etc.
 */
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { output } from "./output.ts";

export const ENTRYPOINT = "/usr/bin/reprieve";

/** Where Debian has the libraries of a CPU, and where its dynamic linker looks for them; apt install libc6-arm64-cross. */
export const CPUS = {
  x64: { oci: "amd64", from: "/lib/x86_64-linux-gnu", to: "/lib/x86_64-linux-gnu" },
  arm64: { oci: "arm64", from: "/usr/aarch64-linux-gnu/lib", to: "/lib/aarch64-linux-gnu" },
} as const;

export type Arch = keyof typeof CPUS;

/** Makes it; returns the files of this machine that went in as libraries. */
export function makeTree(root: string, binary: string, arch: Arch): string[] {
  put(binary, root + ENTRYPOINT);
  const interpreter = /program interpreter: (\S+)\]/.exec(output("readelf", "-lW", binary))?.[1];
  if (interpreter === undefined) throw new Error(`${binary} names no dynamic linker`);
  const { from, to } = CPUS[arch];
  const names = librariesOf(binary, from);
  for (const name of names) {
    const isLinker = name === basename(interpreter);
    put(`${from}/${name}`, root + (isLinker ? interpreter : `${to}/${name}`));
  }
  return names.map((name) => `${from}/${name}`);
}

// --- internal ---

/** With those that they name in turn. */
function librariesOf(program: string, folder: string): string[] {
  const found = new Set<string>();
  const look = (file: string) => {
    for (const [, name = ""] of output("readelf", "-dW", file).matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
      if (found.has(name)) continue;
      found.add(name);
      look(`${folder}/${name}`);
    }
  };
  look(program);
  return [...found].sort();
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}
