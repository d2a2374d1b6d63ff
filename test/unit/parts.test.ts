// SPDX-License-Identifier: MIT
/** What a release file says of its parts: all that runs in it and nothing else, each with its licence. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { repository } from "../helpers/paths.ts";

const { dependencies } = await Bun.file(`${repository}/package.json`).json();
/** What those bring, the page's, and the runtime. */
const OTHERS = [
  ...["@opentelemetry/api", "bintrees", "eslint-visitor-keys", "tdigest"],
  ...["preact", "uplot"],
  "@oven/bun-linux-x64",
];

test("the bill of materials and the licences have each package that is in the file, once, and the runtime", () => {
  const dir = makeFolder("parts");
  try {
    const command = [process.execPath, "src/release/parts.ts", "x64", "86400", dir];
    const { exitCode } = Bun.spawnSync(command, { cwd: repository });
    expect(exitCode).toBe(0);
    const bom = JSON.parse(readFileSync(`${dir}/sbom.cdx.json`, "utf8"));
    const names = bom.components.map(({ name }: { name: string }) => name);
    expect(names.sort()).toEqual([...Object.keys(dependencies), ...OTHERS].sort());
    expect(bom.metadata.timestamp).toBe("1970-01-02T00:00:00.000Z");
    const refs = new Set(bom.components.map((one: { "bom-ref": string }) => one["bom-ref"]));
    const edges: { ref: string; dependsOn: string[] }[] = bom.dependencies;
    expect(edges.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref))).toEqual([]);
    expect(edges[0]?.dependsOn.length).toBe(Object.keys(dependencies).length + 3);
    const licences = readFileSync(`${dir}/THIRD-PARTY`, "utf8");
    const told = [...licences.matchAll(/^--- (\S+) /gm)].map(([, name]) => name ?? "");
    expect(told.sort()).toEqual(names);
  } finally {
    removeFolder(dir);
  }
});
