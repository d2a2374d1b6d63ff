// SPDX-License-Identifier: MIT
/** `bun src/release/linked.ts FILE ...`: these, and all that their links lead to, page by page: for a place in which there is nothing else. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const LINK = /(?:\]\(|<img src=")([^)"#\s]+)/g;

const files = new Set(process.argv.slice(2));
// Those that are added meanwhile are visited too.
for (const file of files) {
  if (!file.endsWith(".md")) continue;
  for (const [, to = ""] of readFileSync(file, "utf8").matchAll(LINK)) {
    if (!/^\w+:/.test(to)) files.add(join(dirname(file), to));
  }
}
console.log([...files].join("\n"));
