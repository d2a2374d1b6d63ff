// SPDX-License-Identifier: MIT
/** Pages in a place of their own, like a release file's folder: their links. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const LINK = /(?:\]\(|(?:src|href)=")([^)"#]+)/g;

/** Below the folder. */
export function pagesIn(folder: string): string[] {
  return [...new Bun.Glob("**/*.md").scanSync(folder)];
}

/** Those of its pages to files that it does not have. */
export function brokenLinksIn(folder: string): string[] {
  return pagesIn(folder).flatMap((page) => {
    const links = readFileSync(`${folder}/${page}`, "utf8").matchAll(LINK);
    const files = [...links].map(([, to = ""]) => to).filter((to) => !/^\w+:/.test(to));
    const isThere = (to: string) => existsSync(join(folder, dirname(page), to));
    return files.filter((to) => !isThere(to)).map((to) => `${page}: ${to}`);
  });
}
