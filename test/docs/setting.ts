// SPDX-License-Identifier: MIT
/** What a page speaks of and does not make itself: groups below the page's hierarchy, and processes in them. */
import { copyFileSync, existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fixture } from "../helpers/build.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Board, type Plan, type Workload } from "../helpers/workload.ts";

/** A scene of test/docs/scenes exports it as `set`. */
export type SetScene = (setting: Setting) => Promise<void>;

export class Setting {
  /** The page sees it as the root of the hierarchy. */
  readonly root = new Group("docs");
  readonly #board = new Board();
  readonly #programs = makeFolder("docs-programs");

  readonly #groups = new Map([["/", this.root]]);

  constructor() {
    this.root.child("page"); // where the page's shell lives
  }

  /** The group that the page calls `/path`, made with its parents. */
  group(path: string, limitBytes?: number): Group {
    const group = this.#groups.get(path) ?? this.group(dirname(path)).child(basename(path));
    this.#groups.set(path, group);
    if (limitBytes !== undefined) {
      this.#handDown(dirname(path));
      group.write(memory.limitFile, String(limitBytes));
    }
    return group;
  }

  /** Lives in the group and holds so much; `ps -o comm` shows it by that name. */
  async process(group: Group, name: string, plan: Plan): Promise<Workload> {
    const program = join(this.#programs, name);
    if (!existsSync(program)) copyFileSync(fixture("workload"), program);
    const named = ["sh", "-c", 'shift; exec "$0" "$@"', program];
    return this.#board.start(group, plan, named).ready();
  }

  /** On v2 a limit takes every group above. */
  #handDown(path: string): void {
    if (path !== "/") this.#handDown(dirname(path));
    memory.handDown(this.group(path).path);
  }

  async end(): Promise<void> {
    await this.root.destroy();
    this.#board.close();
    removeFolder(this.#programs);
  }
}
