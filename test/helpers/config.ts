// SPDX-License-Identifier: MIT
/** What the tests of a config file that guards share: the file, the groups that it speaks of, a start. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { type Message, Reprieve } from "./reprieve.ts";

/** No port of the host. */
export const FEED = '[feed]\nlisten = "none"\n';

export class ConfigFile {
  readonly dir = mkdtempSync(join(tmpdir(), "reprieve-config-"));
  readonly path = join(this.dir, "reprieve.toml");

  write(toml: string, mode = 0o644): void {
    writeFileSync(this.path, toml, { mode });
  }

  remove(): void {
    rmSync(this.dir, { recursive: true });
  }

  async start(guards: number, ...more: string[]): Promise<Reprieve> {
    const reprieve = Reprieve.start(["run", "--config", this.path, "--json", ...more]);
    await reprieve.armed(guards);
    return reprieve;
  }
}

/** Groups below one that has no limit itself. */
export class Tenants extends Group {
  /** Below the hierarchy, as a file calls it. */
  readonly at = this.path.slice(memory.root.length);

  constructor() {
    super("tenants");
  }
}

/** A guard, as a file has it. */
export function guard(name: string, cgroup: string, more = ""): string {
  return `[[guard]]\nname = "${name}"\ncgroup = ${JSON.stringify(cgroup)}\n${more}`;
}

/** By the ends of the groups' paths. */
export function armed({ messages }: Reprieve): Record<string, Message> {
  const all = messages.filter(({ type }) => type === "armed");
  return Object.fromEntries(all.map((one) => [String(one.cgroup).split("/").at(-1), one]));
}
