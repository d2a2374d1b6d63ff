// SPDX-License-Identifier: MIT
/**
 * What config files say of groups, for commands that only tell of it: the file that is given; else, of a group that a
 * reprieve guards, the one that this was started with, and of all others the default one.
 */

import { existsSync } from "node:fs";
import { configuredOnes, type Guardians } from "../agent/running.ts";
import { treeOf } from "../cgroup/group.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import { DEFAULT_FILE } from "../config/load.ts";
import type { Policy } from "../config/policy.ts";
import type { Guard } from "../config/schema.ts";
import { CliError } from "../errors.ts";
import { limit } from "../native/layout.ts";
import { visible } from "../shown.ts";
import { below, OURS, readPolicy } from "./configured.ts";
import type { Wanted } from "./guards.ts";
import { say } from "./output.ts";

/** What a config file says of groups. */
export interface File {
  readonly path: string;
  readonly policy: Policy;
  /** Of its guards. */
  readonly names: readonly string[];
  readonly hostHour: number | undefined;
  readonly settingsOf: (path: string) => Wanted;
  /** Why a run with this guard would not start here; undefined: it would. */
  readonly whyNotStarted: (guard: Guard) => string | undefined;
}

/** Since a reprieve has read it there may have come mistakes into it. */
interface Running {
  readonly file?: File;
  readonly why?: string;
}

export class PolicyFiles {
  readonly #guardians: Guardians;
  /** Of groups that nobody guards; where it was given, of all. */
  readonly #main: File | undefined;
  readonly #isGiven: boolean;
  readonly #running: ReadonlyMap<number, Running>;

  constructor(memory: Hierarchy, guardians: Guardians, given?: string) {
    this.#guardians = guardians;
    this.#isGiven = given !== undefined;
    const path = given ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
    this.#main = path === undefined ? undefined : readFile(path, memory);
    const running = this.#isGiven ? [] : configuredOnes();
    this.#running = new Map(running.map(({ pid, file }) => [pid, readRunning(file, memory)]));
  }

  /** Undefined: there is none. Throws where a group's reprieve is not to be looked into. */
  of(path: string): File | undefined {
    const guardian = this.#isGiven ? undefined : this.#guardians.of(path);
    if (guardian === undefined) return this.#main;
    const { file, why } = this.#running.get(guardian.pid) ?? {};
    if (why !== undefined)
      say(visible(`reprieve ${guardian.pid} goes by its file as it was: ${why}`));
    return file;
  }

  get all(): readonly File[] {
    const running = [...this.#running.values()].flatMap(({ file }) => file ?? []);
    return [...(this.#main ? [this.#main] : []), ...running];
  }
}

export function readFile(path: string, memory: Hierarchy): File {
  const { config, ...rest } = readPolicy(path, memory);
  const names = config.guard.map(({ name }) => name);
  return { ...rest, path, names, hostHour: config.caps.hour };
}

/** The groups for which the file's guards decide, or the one that is named. */
export function guardedBy(memory: Hierarchy, { policy }: File, name?: string): string[] {
  return treeOf(memory.root).filter((path) => {
    const guard = path === memory.root ? undefined : policy.guardOf(below(memory, path));
    const isMeant = guard !== undefined && (name === undefined || guard.name === name);
    return isMeant && isShort(path) && !OURS.test(path);
  });
}

export function isShort(path: string): boolean {
  return Buffer.byteLength(path) < limit.PATH_BYTES;
}

// --- internal ---

function readRunning(path: string, memory: Hierarchy): Running {
  try {
    return { file: readFile(path, memory) };
  } catch (error) {
    if (error instanceof CliError) return { why: error.message };
    throw error;
  }
}
