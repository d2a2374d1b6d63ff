// SPDX-License-Identifier: MIT
/** Drop-ins over the file: tables key by key, guards by their name, all else as the later one has it. Pure. */

import type { Mistake } from "./mistakes.ts";
import type { List, Node, Table } from "./toml.ts";

/** The later over the earlier. */
export function merged(earlier: Table, later: Table): Table {
  return mergedTables(earlier, later, (key, a, b) =>
    key === "guard" && a.kind === "list" && b.kind === "list" ? mergedGuards(a, b) : over(a, b),
  );
}

/** Two guards of one name in one file: in two files it is meant. */
export function sameNames(file: Table): Mistake[] {
  const guards = file.entries.get("guard");
  const seen = new Map<unknown, number>();
  return (guards?.kind === "list" ? guards.items : []).flatMap((guard, index) => {
    const name = nameOf(guard);
    const before = name && seen.get(name.value);
    if (name === undefined) return [];
    if (before === undefined) {
      seen.set(name.value, name.place.line);
      return [];
    }
    const expected = `there is a guard of that name already, in line ${before}`;
    const found = JSON.stringify(name.value);
    return [{ ...name.place, path: `guard.${index}.name`, expected, found }];
  });
}

// --- internal ---

function mergedTables(
  earlier: Table,
  later: Table,
  both: (key: string, a: Node, b: Node) => Node,
): Table {
  const entries = new Map(earlier.entries);
  for (const [key, node] of later.entries) {
    const before = entries.get(key);
    entries.set(key, before === undefined ? node : both(key, before, node));
  }
  return { ...earlier, entries };
}

function over(earlier: Node, later: Node): Node {
  if (earlier.kind !== "table" || later.kind !== "table") return later;
  return mergedTables(earlier, later, (_, a, b) => over(a, b));
}

/** One that is changed keeps its place among the others; a new one, or one without a name, comes last. */
function mergedGuards(earlier: List, later: List): List {
  const items = [...earlier.items];
  for (const guard of later.items) {
    const name = nameOf(guard)?.value;
    const at = items.findIndex((item) => name !== undefined && nameOf(item)?.value === name);
    const before = items[at];
    if (before === undefined) items.push(guard);
    else items[at] = over(before, guard);
  }
  return { ...earlier, items };
}

function nameOf(guard: Node) {
  const name = guard.kind === "table" ? guard.entries.get("name") : undefined;
  return name?.kind === "scalar" ? name : undefined;
}
