// SPDX-License-Identifier: MIT
/** What the tables of the config file are made of: values with what is told of them. */

import * as v from "valibot";

/** A schema with what is told of it, and what holds where the key is not given. */
export function told<T extends v.GenericSchema>(schema: T, text: string, without = "none") {
  return v.pipe(schema, v.description(text), v.metadata({ without }));
}

export function table<T extends v.ObjectEntries>(entries: T, text: string) {
  return v.pipe(
    v.strictObject(entries, "it has keys of its own and no value"),
    v.description(text),
  );
}

export const Kills = (most: number) =>
  v.pipe(
    v.number("this is a number of kills, without quotes"),
    v.integer("a number of kills is whole"),
    v.minValue(1, "at least 1; without [allow] kill nobody is killed"),
    v.maxValue(most, `at most ${most}`),
  );
