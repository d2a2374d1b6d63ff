// SPDX-License-Identifier: MIT
/** `reprieve reload`, and what a running reprieve does then: all of the config file is put into effect, or nothing of it. */

import { dirname } from "node:path";
import { change, Inotify } from "../agent/inotify.ts";
import { type Configured, configuredOnes } from "../agent/running.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { dropInDir, type Loaded, load, stampOf } from "../config/load.ts";
import { lineOf, plain } from "../config/mistakes.ts";
import { CliError, exit } from "../errors.ts";
import type { Core } from "../native/core.ts";
import { visible } from "../shown.ts";
import { reconfigured } from "./configured.ts";
import type { RunFlags, RunOptions } from "./flags.ts";
import type { Expected, Latecomers } from "./latecomers.ts";
import { print, say } from "./output.ts";

/** An editor writes a file in several goes. */
const SETTLE_MS = 100;
/** linux/inotify.h: IN_CLOSE_WRITE. */
const WRITTEN = 0x8;

interface Setup {
  readonly core: Core;
  readonly file: string;
  readonly flags: RunFlags;
  readonly memory: Hierarchy;
  /** Of the start. */
  readonly options: RunOptions;
  readonly expected: Expected;
  readonly watches: boolean;
  readonly stamp: string;
  readonly latecomers: Latecomers;
  /** Has all groups looked at. */
  readonly lookAgain: (hourCap: number) => void;
}

/** What is wrong is said, and the rules stay as they are. */
export class Reloader {
  readonly #setup: Setup;
  readonly #lists: Set<string>;
  /** Of the file as it was last read. */
  #stamp: string;
  #watch: FileWatch | undefined;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#lists = new Set(setup.expected.lists);
    this.#stamp = setup.stamp;
    this.#watchIf(setup.watches);
  }

  reload(): void {
    const { file, flags, memory, latecomers, lookAgain } = this.#setup;
    this.#stamp = stampOf(file);
    try {
      const { options, expected, watches } = reconfigured(file, flags, memory);
      this.#demandSame(options, expected);
      this.#demandRoom(expected);
      const others = latecomers.expect(expected);
      this.#watchIf(watches);
      const groups = others === 1 ? "1 group" : `${others} groups`;
      const had = `${groups} of those that are guarded had other rules`;
      say(`${visible(file)} is in effect: ${had}`, "info");
      lookAgain(options.hourCap ?? 0);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      say(`the rules stay as they are: ${error.message}`);
    }
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  // --- internal ---

  /** What is no rule of a guard is made at the start. */
  #demandSame(options: RunOptions, { named }: Expected): void {
    const ofStart = ({ hourCap: _, ...others }: RunOptions) => JSON.stringify(others);
    const ours = this.#setup.expected.named;
    if (options.handler === "inside" && named?.join() !== ours?.join()) {
      throw new CliError(exit.usage, "the handler lives in the guarded group: give no other one");
    }
    if (ofStart(options) === ofStart(this.#setup.options)) return;
    const why =
      "[export], [feed], [handler], [journal], [sampling] and [system], with its power and cap, change at a start only: start it anew, with --replace";
    throw new CliError(exit.usage, why);
  }

  #demandRoom({ lists }: Expected): void {
    const all = new Set([...this.#lists, ...lists]);
    if (all.size > (this.#setup.expected.parts?.weighings ?? 0)) {
      const why =
        "there were too many lists of prefer and avoid since the start: start it anew, with --replace";
      throw new CliError(exit.usage, why);
    }
    for (const list of lists) this.#lists.add(list);
  }

  #watchIf(watches: boolean): void {
    const { core, file } = this.#setup;
    if (!watches) {
      void this.#watch?.close();
      this.#watch = undefined;
    } else if (this.#watch === undefined) {
      this.#watch = new FileWatch(core, file, () => this.#reloadIfOther());
      this.#reloadIfOther(); // since it was read
    }
  }

  #reloadIfOther(): void {
    if (stampOf(this.#setup.file) !== this.#stamp) this.reload();
  }
}

interface ReloadOptions {
  /** Of a service of systemd's; undefined: all. */
  readonly mainPid?: number;
  readonly json?: true;
}

/** Has those that run with a config file read it anew, unless there are mistakes in it. */
export async function reload({ mainPid, json }: ReloadOptions): Promise<number> {
  if (mainPid !== undefined) {
    const { isOfOtherProgram, takeOverService } = await import("../host/take-over.ts");
    if (isOfOtherProgram(mainPid)) return await takeOverService(mainPid);
  }
  const running = configuredOnes().filter(({ pid }) => mainPid === undefined || pid === mainPid);
  if (running.length === 0) {
    throw new CliError(exit.noGroup, "no reprieve of this user runs with a config file");
  }
  const all = running.map(asked);
  if (json) await print(all.map(jsonOf));
  else for (const line of all.flatMap(linesOf)) say(line);
  return all.every(({ reads }) => reads) ? exit.ok : exit.badConfig;
}

// --- internal ---

interface Asked extends Configured {
  readonly loaded: Loaded;
  /** The file is as it should be, and it was told to read it. */
  readonly reads: boolean;
}

function asked({ pid, file }: Configured): Asked {
  const loaded = load(file);
  const isRight = loaded.mistakes.length === 0 && loaded.untrusted.length === 0;
  return { pid, file, loaded, reads: isRight && isTold(pid) };
}

/** False: it has ended meanwhile. */
function isTold(pid: number): boolean {
  try {
    return process.kill(pid, "SIGHUP");
  } catch {
    return false;
  }
}

function jsonOf({ pid, file, loaded, reads }: Asked): string {
  const { files, mistakes, untrusted } = loaded;
  const told = { v: 1, reprieve: pid, config: file, reads, files };
  return JSON.stringify({ ...told, mistakes: mistakes.map(plain), untrusted });
}

function linesOf({ pid, file, loaded, reads }: Asked): string[] {
  const told = reads ? "reads it anew, and says what comes of it" : "is left as it is";
  return [
    ...loaded.untrusted.map(visible),
    ...loaded.mistakes.map(lineOf),
    `reprieve ${pid}, of ${visible(file)}, ${told}`,
  ];
}

/** Tells when a config file or one of its drop-ins has been written, or another is there in its place. */
class FileWatch {
  readonly #inotify: Inotify;
  readonly #file: string;
  #soon: Timer | undefined;

  constructor(core: Core, file: string, changed: () => void) {
    this.#inotify = new Inotify(core);
    this.#file = file;
    this.#add();
    void this.#follow(changed);
  }

  async close(): Promise<void> {
    clearTimeout(this.#soon);
    await this.#inotify.close();
  }

  // --- internal ---

  /** The directories: an editor puts a new file in the place of the old one. */
  #add(): void {
    const all = WRITTEN | change.MOVED_TO | change.MOVED_FROM | change.CREATE | change.DELETE;
    for (const dir of [dirname(this.#file), dropInDir(this.#file)]) this.#inotify.add(dir, all);
  }

  async #follow(changed: () => void): Promise<void> {
    for await (const _ of this.#inotify.changes()) {
      clearTimeout(this.#soon);
      this.#soon = setTimeout(() => {
        this.#add();
        changed();
      }, SETTLE_MS);
    }
  }
}
