// SPDX-License-Identifier: MIT
/** Looks into the schema: which keys a table has, and what is told of each. Pure. */

import type * as v from "valibot";

/** The keys of a table's schema; undefined: it is none. */
export function entriesOf(schema: v.GenericSchema): v.ObjectEntries | undefined {
  const inner = unwrapped(schema);
  return "entries" in inner ? (inner.entries as v.ObjectEntries) : undefined;
}

/** What a list's schema has in it; undefined: it is none. */
export function itemOf(schema: v.GenericSchema): v.GenericSchema | undefined {
  const inner = unwrapped(schema);
  return "item" in inner ? (inner.item as v.GenericSchema) : undefined;
}

/** A schema without v.optional() around it. */
export function unwrapped(schema: v.GenericSchema): v.GenericSchema {
  return "wrapped" in schema ? unwrapped(schema.wrapped as v.GenericSchema) : schema;
}
