// SPDX-License-Identifier: MIT
/** What the tests of a config file that guards share: the file, the groups that it speaks of, a start. */
import { afterEach, beforeEach } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp } from "./clean.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { Group } from "./group.ts";
import { memory } from "./memory.ts";
import { type Message, Reprieve } from "./reprieve.ts";
import { Board } from "./workload.ts";

/** No port of the host. */
export const FEED = '[feed]\nlisten = "none"\n';

export class ConfigFile {
  readonly dir = makeFolder("config");
  readonly path = join(this.dir, "reprieve.toml");

  write(toml: string, mode = 0o644): void {
    writeFileSync(this.path, toml, { mode });
  }

  remove(): void {
    removeFolder(this.dir);
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

export class Stage {
  readonly config = new ConfigFile();
  readonly tenants = new Tenants();
  readonly board = new Board();

  /** Where the groups are, as a file calls it. */
  get at(): string {
    return this.tenants.at;
  }

  async end(): Promise<void> {
    this.config.remove();
    await cleanUp();
  }
}

/** Has each test of a file begin on a stage of its own. */
export function onStage(set: (stage: Stage) => void): void {
  onStageOf(() => new Stage(), set);
}

/** The same, of another kind. */
export function onStageOf<S extends Stage>(make: () => S, set: (stage: S) => void): void {
  let stage: S;
  beforeEach(() => {
    stage = make();
    set(stage);
  });
  afterEach(() => stage.end());
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
