// SPDX-License-Identifier: MIT
/** What is wrong in a config file: where, what was expected, what was found, and what was meant. Pure. */

import * as v from "valibot";
import { firstMessage } from "../cli/args.ts";
import { visible } from "../shown.ts";
import { entriesOf, itemOf } from "./keys.ts";
import type { Node, Place } from "./toml.ts";

export interface Mistake extends Partial<Place> {
  readonly file: string;
  /** Dots between the keys, the number of a guard from 0; empty: the file itself. */
  readonly path: string;
  readonly expected: string;
  /** In the notation of JSON; none where something is missing. */
  readonly found?: string;
  /** The valid key that an unknown one is like. */
  readonly nearest?: string;
  readonly isMissing?: true;
}

/** One line: FILE:LINE:COLUMN: PATH ... */
export function lineOf({ file, line, column, path, expected, found, nearest }: Mistake): string {
  const at = line === undefined ? file : `${file}:${line}:${column}`;
  const what = found === undefined ? path : `${path} = ${found}`;
  const meant = nearest === undefined ? "" : `, did you mean ${nearest}?`;
  return visible(`${at}: ${what === "" ? "" : `${what}: `}${expected}${meant}`);
}

/** As --json has it. */
export function plain({ isMissing: _, ...mistake }: Mistake): Omit<Mistake, "isMissing"> {
  return mistake;
}

/** Of what valibot says of `root`, at the places in there. */
export function mistakesOf(
  issues: readonly v.BaseIssue<unknown>[],
  root: Node,
  schema: v.GenericSchema,
): Mistake[] {
  const wrong = issues
    .filter((issue) => !isUnknownKey(issue))
    .flatMap((issue) => ofIssue(issue, root, schema));
  // Of one value the first says it all: the others follow from it.
  const first = new Map([...wrong].reverse().map((mistake) => [mistake.path, mistake]));
  const unknown = unknownKeys(root, schema, []);
  const meant = new Set(unknown.map(({ path, nearest }) => path.replace(/[^.]*$/, nearest ?? "")));
  return [...first.values()]
    .reverse()
    .filter(({ path, isMissing }) => !isMissing || !meant.has(path))
    .concat(unknown);
}

/** The candidate that differs least, if that is little. */
export function nearestTo(word: string, candidates: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(word.length / 3));
  const [best] = candidates
    .filter((candidate) => Math.abs(candidate.length - word.length) <= most)
    .map((candidate) => ({ candidate, steps: distance(word, candidate) }))
    .filter(({ steps }) => steps <= most)
    .sort((a, b) => a.steps - b.steps);
  return best?.candidate;
}

// --- internal ---

type Keys = readonly (string | number)[];

/** valibot tells the first only, and not of "constructor": unknownKeys() tells them all. */
function isUnknownKey(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

/** Of a union with a list in it: its elements that are wrong, rather than all of it. */
function ofIssue(issue: v.BaseIssue<unknown>, root: Node, schema: v.GenericSchema): Mistake[] {
  const elements = issue.issues?.filter((inner) => inner.path !== undefined) ?? [];
  if (elements.length === 0) return [mistakeAt(keysOf(issue), issue, root, schema)];
  return elements.map((one) => mistakeAt([...keysOf(issue), ...keysOf(one)], one, root, schema));
}

function mistakeAt(
  keys: Keys,
  issue: v.BaseIssue<unknown>,
  root: Node,
  schema: v.GenericSchema,
): Mistake {
  const { node, isThere } = find(root, keys);
  const at = { ...node.place, path: keys.join(".") };
  if (!isThere) {
    const what = wanted(schema, keys) || firstMessage([issue]);
    return { ...at, expected: `it is missing: ${what}`, isMissing: true };
  }
  const expected = firstMessage([issue]);
  return { ...at, expected, ...(node.kind !== "table" && { found: shown(node) }) };
}

/** What the schema of a key says of a value that is none. */
function wanted(schema: v.GenericSchema, keys: Keys): string {
  const inner = keys.reduce<v.GenericSchema | undefined>((at, key) => {
    const next = at && (entriesOf(at)?.[key] ?? itemOf(at));
    return next as v.GenericSchema | undefined;
  }, schema);
  const issues = inner && v.safeParse(inner, undefined).issues;
  return issues === undefined ? "" : firstMessage(issues);
}

function keysOf(issue: v.BaseIssue<unknown>): Keys {
  return (issue.path ?? []).map(({ key }) => key as string | number);
}

/** What the keys lead to, or the last on the way that is there. */
function find(root: Node, keys: Keys): { node: Node; isThere: boolean } {
  let node = root;
  for (const key of keys) {
    const inner =
      node.kind === "table"
        ? node.entries.get(String(key))
        : node.kind === "list"
          ? node.items[Number(key)]
          : undefined;
    if (inner === undefined) return { node, isThere: false };
    node = inner;
  }
  return { node, isThere: true };
}

function unknownKeys(node: Node, schema: v.GenericSchema, keys: Keys): Mistake[] {
  const item = itemOf(schema);
  if (node.kind === "list" && item !== undefined) {
    return node.items.flatMap((one, index) => unknownKeys(one, item, [...keys, index]));
  }
  const known = entriesOf(schema);
  if (node.kind !== "table" || known === undefined) return [];
  return [...node.entries].flatMap(([key, inner]) => {
    if (Object.hasOwn(known, key)) {
      return unknownKeys(inner, known[key] as v.GenericSchema, [...keys, key]);
    }
    const names = Object.keys(known);
    const nearest = nearestTo(key, names);
    const others = nearest === undefined ? `, but ${names.join(", ")}` : "";
    return [
      {
        ...inner.place,
        path: [...keys, key].join("."),
        expected: `there is no such key${others}`,
        ...(nearest !== undefined && { nearest }),
      },
    ];
  });
}

const SHOWN_MOST = 80;

function shown(node: Node): string {
  const text =
    node.kind === "list"
      ? `[${node.items.map(shown).join(", ")}]`
      : node.kind === "table"
        ? "{ ... }"
        : JSON.stringify(node.value);
  return text.length > SHOWN_MOST ? `${text.slice(0, SHOWN_MOST)}...` : text;
}

/** Letters that are to be added, left out, changed or swapped with the next (Damerau's optimal alignment). */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + Number(!isSame),
          isSwap ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(a.length, b.length);
}
