// SPDX-License-Identifier: MIT
/** `bun src/release/runtime.ts x64-musl FILE`: Bun for that target, from the registry, with the bytes that package-lock.json names. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { runtimeOf } from "./lock.ts";

const [target = "", file = ""] = process.argv.slice(2);
const { name, version, integrity } = runtimeOf(target);
const dir = mkdtempSync(`${file}-`);
try {
  run("npm", "pack", "--silent", "--pack-destination", dir, `${name}@${version}`);
  const archive = `${dir}/${readdirSync(dir)[0]}`;
  const found = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (found !== integrity)
    throw new Error(`${name} is ${found}, and package-lock.json has ${integrity}`);
  run("tar", "-xmzf", archive, "-C", dir, "package/bin/bun");
  renameSync(`${dir}/package/bin/bun`, file);
} finally {
  rmSync(dir, { recursive: true });
}

function run(...command: string[]): void {
  const { exitCode } = Bun.spawnSync(command, { stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}`);
}
