// SPDX-License-Identifier: MIT
/**
 * TOML 1.0 -> values that know where they stand. Pure.
 *
 * By toml-eslint-parser: Bun's own parser and most others give no positions of what is right TOML and a wrong value.
 */

import { type AST, ParseError, parseTOML } from "toml-eslint-parser";

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** A key's value stands where its key does. */
export type Node = Scalar | List | Table;

interface Scalar {
  readonly kind: "scalar";
  readonly place: Place;
  readonly value: string | number | boolean;
}

export interface List {
  readonly kind: "list";
  readonly place: Place;
  readonly items: readonly Node[];
}

export interface Table {
  readonly kind: "table";
  readonly place: Place;
  readonly entries: ReadonlyMap<string, Node>;
}

/** What is no TOML at all. */
export class TomlError extends Error {
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.name = "TomlError";
    this.place = place;
  }
}

/** The file as a table, or throws a TomlError. */
export function parseToml(text: string, file: string): Table {
  try {
    return tableOf(parseTOML(text, { tomlVersion: "1.0.0" }), file);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const { lineNumber, column, message } = error;
    throw new TomlError(placeAt(file, lineNumber, column), IN_WORDS[message] ?? message);
  }
}

/** Without the places, as valibot takes it. Map: __proto__ is a key like any other here. */
export function plainOf(node: Node): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "list":
      return node.items.map(plainOf);
    case "table":
      return Object.fromEntries([...node.entries].map(([key, value]) => [key, plainOf(value)]));
  }
}

// --- internal ---

/** Its error's own words are for who writes a parser. */
const IN_WORDS: Readonly<Record<string, string>> = {
  "Must be a newline": 'the line should end here; text stands in quotes, like delay = "100ms"',
  "Unexpected character": "this character cannot stand here; text stands in quotes",
  "Unexpected token": "this cannot stand here",
  "Unspecified values are invalid": "a value is missing",
  "Defining a key multiple times is invalid": "this key is there already",
  "Expected equal (=) token": "a = is missing before this",
  "Unterminated string constant": "a quote is missing behind this text",
  "Unterminated array": "a ] is missing",
  "Unterminated table-key": "a ] is missing",
  "No newlines are allowed between the curly braces unless they are valid within a value":
    "an inline table stands in one line; a } is missing here",
};

function tableOf(program: AST.TOMLProgram, file: string): Table {
  const root = new Building(placeAt(file, 1, 0));
  for (const part of program.body[0].body) {
    if (part.type === "TOMLKeyValue") addPair(root, part, file);
    else {
      const place = placeOf(part, file);
      const table = part.resolvedKey.reduce<Building>((at, key) => at.inner(key, place), root);
      for (const pair of part.body) addPair(table, pair, file);
    }
  }
  return root.node() as Table;
}

/** A table, or an array of tables, while its lines are read. */
class Building {
  readonly #place: Place;
  readonly #children = new Map<string | number, Building | Node>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** The one of that name or index, made where it is not there. */
  inner(key: string | number, place: Place): Building {
    const there = this.#children.get(key);
    if (there instanceof Building) return there;
    const made = new Building(place);
    this.#children.set(key, made);
    return made;
  }

  set(key: string, node: Node): void {
    this.#children.set(key, node);
  }

  node(): Node {
    const place = this.#place;
    const done = [...this.#children].map(
      ([key, child]) => [key, child instanceof Building ? child.node() : child] as const,
    );
    return typeof done[0]?.[0] === "number"
      ? { kind: "list", place, items: done.map(([, node]) => node) }
      : { kind: "table", place, entries: new Map(done.map(([key, node]) => [String(key), node])) };
  }
}

function addPair(table: Building, { key, value }: AST.TOMLKeyValue, file: string): void {
  const names = key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
  const place = placeOf(key, file);
  const inner = names.slice(0, -1).reduce((at, name) => at.inner(name, place), table);
  inner.set(names.at(-1) ?? "", nodeOf(value, place, file));
}

function nodeOf(content: AST.TOMLContentNode, place: Place, file: string): Node {
  switch (content.type) {
    case "TOMLArray": {
      const items = content.elements.map((item) => nodeOf(item, placeOf(item, file), file));
      return { kind: "list", place, items };
    }
    case "TOMLInlineTable": {
      const table = new Building(place);
      for (const pair of content.body) addPair(table, pair, file);
      return table.node();
    }
    case "TOMLValue":
      return { kind: "scalar", place, value: scalarOf(content) };
  }
}

/** No key of ours is a date: as the text that stands there it is refused like any other. */
function scalarOf(content: AST.TOMLValue): Scalar["value"] {
  return "datetime" in content ? content.datetime : content.value;
}

function placeOf(node: { loc: AST.SourceLocation }, file: string): Place {
  return placeAt(file, node.loc.start.line, node.loc.start.column);
}

function placeAt(file: string, line: number, columnFrom0: number): Place {
  return { file, line, column: columnFrom0 + 1 };
}
