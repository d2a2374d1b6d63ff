// SPDX-License-Identifier: MIT
/** The size of the kernel's pages: the core counts in pages of 4 KiB, and some kernels of arm64 have larger ones. */
import { readFileSync } from "node:fs";
import { CliError, exit } from "../errors.ts";

const PAGE_BYTES = 4096;
const AT_PAGESZ = 6n;

/** Nothing is guarded where memory would be misjudged. */
export function demandPages(): void {
  const why = whyOtherPages();
  if (why !== undefined) throw new CliError(exit.host, why);
}

/** undefined: they are those that the core counts in. */
export function whyOtherPages(): string | undefined {
  const bytes = pageBytes(readFileSync("/proc/self/auxv"));
  if (bytes === undefined || bytes === PAGE_BYTES) return undefined;
  const here = `this kernel's pages have ${bytes / 1024} KiB`;
  return `${here}, and reprieve knows those of 4 KiB: boot a kernel that has them`;
}

/** As getauxval(3) has it: pairs of words, type and value. */
function pageBytes(auxv: Uint8Array): number | undefined {
  const words = new BigUint64Array(Uint8Array.from(auxv).buffer);
  const at = words.findIndex((word, i) => i % 2 === 0 && word === AT_PAGESZ);
  const found = at < 0 ? undefined : words[at + 1];
  return found === undefined ? undefined : Number(found);
}
