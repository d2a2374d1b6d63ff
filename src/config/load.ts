// SPDX-License-Identifier: MIT
/** Reads the config file and its drop-ins: one value, or all that is wrong. Changes nothing. */

import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { codeOf } from "../cgroup/files.ts";
import { whyUntrusted } from "../cgroup/trust.ts";
import { merged, sameNames } from "./merge.ts";
import { type Mistake, mistakesOf } from "./mistakes.ts";
import { type Config, ConfigSchema } from "./schema.ts";
import { parseToml, plainOf, type Table, TomlError } from "./toml.ts";

export const DEFAULT_FILE = "/etc/reprieve/reprieve.toml";

/** A bound on a wrong path. */
const FILE_MOST_BYTES = 1 << 20;
/** A pipe must not hold us up. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export interface Loaded {
  /** All that were read, in their order. */
  readonly files: readonly string[];
  readonly mistakes: readonly Mistake[];
  /** Files and directories, and why others could change what reprieve does through them. */
  readonly untrusted: readonly string[];
  /** Where there is no mistake. */
  readonly config?: Config;
  /** The same in the file's own notation, with the defaults that every host has. */
  readonly effective?: object;
}

export function load(file: string = DEFAULT_FILE): Loaded {
  const mistakes: Mistake[] = [];
  const untrusted: string[] = [];
  const attempt = <T>(path: string, action: () => T): T | undefined => {
    try {
      return action();
    } catch (error) {
      mistakes.push(mistakeOf(path, error));
      return undefined;
    }
  };
  const dropIns = attempt(dropInDir(file), () => dropInsOf(file, untrusted)) ?? [];
  const files = [file, ...dropIns];
  const tables = files.flatMap((path) => {
    const table = attempt(path, () => parseToml(read(path, untrusted), path));
    return table === undefined ? [] : [table];
  });
  mistakes.push(...tables.flatMap(sameNames));
  const isWhole = tables.length === files.length;
  const checked = attempt(file, () => checkedOf(tables, isWhole)) ?? { mistakes: [] };
  mistakes.push(...checked.mistakes);
  mistakes.sort(inOrderOf(files));
  const found = { files, untrusted, mistakes };
  return mistakes.length > 0 ? found : { ...found, ...checked.good };
}

/** Another one when the file, or one of its drop-ins, is. */
export function stampOf(file: string): string {
  const dir = dropInDir(file);
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const stats = [file, ...names.map((name) => join(dir, name))].map((path) => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    return `${path} ${stat?.ino} ${stat?.size} ${stat?.mtimeNs}`;
  });
  return stats.join("\n");
}

// --- internal ---

/** Of files that belong together; where one of them could not be read, what is missing may be in there. */
function checkedOf(tables: readonly Table[], isWhole: boolean) {
  const [first, ...others] = tables;
  if (first === undefined) return { mistakes: [] };
  const root = others.reduce(merged, first);
  const raw = plainOf(root);
  const result = v.safeParse(ConfigSchema, raw);
  const all = mistakesOf(result.issues ?? [], root, ConfigSchema);
  const mistakes = all.filter(({ isMissing }) => isWhole || !isMissing);
  return {
    mistakes,
    ...(result.success && { good: { config: result.output, effective: effectiveOf(raw as Raw) } }),
  };
}

interface Raw extends Readonly<Record<string, object | undefined>> {
  readonly guard?: readonly object[];
}

/** The guards last, as one writes them. */
function effectiveOf({ guard = [], ...tables }: Raw): object {
  const { guard: guards, ...schemas } = ConfigSchema.entries;
  const whole = Object.entries(schemas)
    .filter(([key, schema]) => schema.default !== undefined || tables[key] !== undefined)
    .map(([key, schema]) => [key, { ...defaultsOf(schema.wrapped), ...tables[key] }]);
  const defaults = defaultsOf(guards.wrapped.item);
  // Twice, for the order of the keys.
  const wholeGuards = guard.map((one) => ({ ...one, ...defaults, ...one }));
  return { ...Object.fromEntries(whole), guard: wholeGuards };
}

function defaultsOf(schema: v.GenericSchema): object {
  const all = Object.entries(v.getDefaults(schema as v.ObjectSchema<v.ObjectEntries, undefined>));
  return Object.fromEntries(all.filter(([, one]) => one !== undefined));
}

function inOrderOf(files: readonly string[]) {
  const at = ({ file, line = 0, column = 0 }: Mistake) => [files.indexOf(file), line, column];
  return (a: Mistake, b: Mistake) => {
    const [first, second] = [at(a), at(b)];
    const index = first.findIndex((one, i) => one !== second[i]);
    return (first[index] ?? 0) - (second[index] ?? 0);
  };
}

function mistakeOf(file: string, error: unknown): Mistake {
  if (error instanceof TomlError) {
    return { ...error.place, path: "", expected: `no TOML: ${error.message}` };
  }
  if (error instanceof Unreadable) return { file, path: "", expected: error.message };
  if (error instanceof RangeError) return { file, path: "", expected: "it is nested too deeply" };
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  const why = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
  return { file, path: "", expected: why };
}

class Unreadable extends Error {}

/** Through one descriptor, so that what is judged is what is read. */
function read(path: string, untrusted: string[]): string {
  const fd = openSync(path, OPEN_FLAGS);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Unreadable("it is no regular file");
    if (stat.size > FILE_MOST_BYTES) throw new Unreadable("it has over 1 MiB");
    // Who may write a config says whom reprieve kills.
    untrusted.push(...whyUntrusted(path, stat));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(readFileSync(fd));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Unreadable("it is not UTF-8");
  } finally {
    closeSync(fd);
  }
}

/** /etc/reprieve/reprieve.toml -> /etc/reprieve/reprieve.d */
export function dropInDir(file: string): string {
  return `${file.replace(/\.toml$/, "")}.d`;
}

/** In the order of their names' bytes. */
function dropInsOf(file: string, untrusted: string[]): string[] {
  const dir = dropInDir(file);
  try {
    const fd = openSync(dir, OPEN_FLAGS | constants.O_DIRECTORY);
    try {
      untrusted.push(...whyUntrusted(dir, fstatSync(fd)));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
  const names = readdirSync(dir).filter((name) => name.endsWith(".toml"));
  return names
    .map((name) => Buffer.from(name))
    .sort(Buffer.compare)
    .map((name) => join(dir, String(name)));
}
