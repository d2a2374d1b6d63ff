// SPDX-License-Identifier: MIT
/** The packages of `make deb`, and one of a next version. */
import { mkdtempSync, rmSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import { output } from "./debian-root.ts";

export const { version } = await Bun.file(`${repository}/package.json`).json();
export const next = `${version}+1`;

export const nameOf = (arch: string, one = version) => `reprieve_${one}_${arch}.deb`;
export const pathOf = (arch: string) => `${repository}/dist/release/${nameOf(arch)}`;

/** The same, as if it were of the next version. */
export function buildNext(folder: string): void {
  const dir = mkdtempSync("/var/tmp/reprieve-next-");
  try {
    output(["dpkg-deb", "--raw-extract", pathOf("amd64"), dir]);
    output(["sed", "-i", `s/^Version: .*/Version: ${next}/`, `${dir}/DEBIAN/control`]);
    const to = `${folder}/${nameOf("amd64", next)}`;
    output(["dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, to]);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
