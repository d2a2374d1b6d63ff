// SPDX-License-Identifier: MIT
/** A program for the order "hook", in a directory where only root may write. It leaves notes beside itself. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { makeFolder, removeFolder } from "./folder.ts";
import { until } from "./wait.ts";

const dirs = new Set<string>();

/** For afterEach. */
export function removeHooks(): void {
  for (const dir of dirs) removeFolder(dir);
  dirs.clear();
}

export class HookFile {
  readonly dir = makeFolder("test", "/run");
  readonly path = `${this.dir}/hook`;

  /** Lines of a shell. */
  constructor(...lines: readonly string[]) {
    dirs.add(this.dir);
    writeFileSync(this.path, ["#!/bin/sh", ...lines, ""].join("\n"));
    chmodSync(this.path, 0o755);
  }

  /** `$0.NAME` in the program. */
  note(name: string): Promise<string> {
    const file = `${this.path}.${name}`;
    const read = () => existsSync(file) && readFileSync(file, "utf8").trim();
    return until(`the note ${name}`, read);
  }

  async pid(name: string): Promise<number> {
    return Number(await this.note(name));
  }
}
