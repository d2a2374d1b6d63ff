// SPDX-License-Identifier: MIT
/** The fenced blocks of a page, and what the words behind their language ask of a test. Pure, but for reading the page. */
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Hierarchy } from "../../src/cgroup/hierarchy.ts";
import { repository } from "../helpers/paths.ts";

/** Where the commands of a `sh` block run: `here` has no word of its own. */
export const KINDS = ["here", "systemd", "kubernetes", "runc", "release", "make"] as const;
export type Kind = (typeof KINDS)[number];

export interface Block {
  /** README, or the name of a file in dist/docs. */
  readonly page: string;
  /** The first of its fence. */
  readonly line: number;
  readonly language: string;
  /** The words behind the language. */
  readonly words: readonly string[];
  readonly text: string;
  /** How deep the heading is that it stands under, and which one of the page. */
  readonly section: { readonly level: number; readonly heading: number };
}

/** Where memory cgroups are, as the pages say it, and on v1 they are below that. */
const ROOT_OF_V2 = /\/sys\/fs\/cgroup(?=[/\s]|$)/gm;

/** The page as it is for a reader with that version of cgroups: without the other's blocks, and with the paths that groups have there. */
export function asOf(
  blocks: readonly Block[],
  { version, root }: Pick<Hierarchy, "version" | "root">,
): Block[] {
  const others = version === 1 ? "v2" : "v1";
  const translated = (text: string) => text.replaceAll(ROOT_OF_V2, root);
  const ofOne = (block: Block, at: number): readonly string[] => {
    const before = blocks[at - 1];
    return isOutput(block) && before !== undefined
      ? [...block.words, ...before.words]
      : block.words;
  };
  return blocks
    .map((block, at) => ({ block, words: ofOne(block, at) }))
    .filter(({ words }) => !words.includes(others))
    .map(({ block, words }) =>
      words.includes(`v${version}`) ? block : { ...block, text: translated(block.text) },
    );
}

/** A `sh` block, with the `text` block behind it. */
export interface Commands extends Block {
  readonly kind: Kind;
  readonly commands: readonly string[];
  /** Of each of its commands. */
  readonly exits: number;
  /** Runs until its section ends. */
  readonly isBackground: boolean;
  /** What it prints, as the page shows it. */
  readonly shown: string | undefined;
}

/** README and all of dist/docs, by name. */
export function pages(): string[] {
  const docs = readdirSync(`${repository}/dist/docs`).filter((name) => name.endsWith(".md"));
  return ["README", ...docs.map((name) => basename(name, ".md")).sort()];
}

/** Below the repository. */
export function fileOf(page: string): string {
  return page === "README" ? "README.md" : `dist/docs/${page}.md`;
}

export function blocksOf(page: string): Block[] {
  return parse(page, readFileSync(`${repository}/${fileOf(page)}`, "utf8"));
}

/** Those of a page that run in one place: what a test calls that runs them. */
export function commandsOf(page: string, kind: Kind): Commands[] {
  return allCommandsOf(blocksOf(page)).filter((block) => block.kind === kind);
}

export function allCommandsOf(blocks: readonly Block[]): Commands[] {
  return blocks.flatMap((block, at) => {
    if (block.language !== "sh") return [];
    const next = blocks[at + 1];
    const shown = next !== undefined && isOutput(next) ? next.text : undefined;
    const exits = block.words.find((word) => word.startsWith("exits="))?.slice("exits=".length);
    const kind = KINDS.find((one) => block.words.includes(one)) ?? "here";
    return {
      ...block,
      kind,
      commands: linesOf(block.text),
      exits: Number(exits ?? 0),
      isBackground: block.words.includes("background"),
      shown,
    };
  });
}

/** A `text` block is what the commands before it print, unless it is a `figure`. */
function isOutput({ language, words }: Block): boolean {
  return language === "text" && !words.includes("figure");
}

export function parse(page: string, text: string): Block[] {
  const blocks: Block[] = [];
  let open: { fence: string; line: number; info: string; lines: string[] } | undefined;
  const section = { level: 0, heading: 0 };
  for (const [at, line] of text.split("\n").entries()) {
    const fence = /^(```+)(.*)$/.exec(line);
    const level = /^(#+) /.exec(line)?.[1]?.length;
    if (open !== undefined && line === open.fence) {
      const [language = "", ...words] = open.info.trim().split(/\s+/);
      const inner = open.lines.join("\n");
      blocks.push({ page, line: open.line, language, words, text: inner, section: { ...section } });
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(line);
    } else if (fence !== null) {
      open = { fence: fence[1] ?? "", line: at + 1, info: fence[2] ?? "", lines: [] };
    } else if (level !== undefined) {
      section.level = level;
      section.heading += 1;
    }
  }
  if (open !== undefined) throw new Error(`${page}:${open.line}: a block that does not end`);
  return blocks;
}

// --- internal ---

/** One command a line, or several lines that end in a backslash. */
function linesOf(text: string): string[] {
  return text.split(/(?<!\\)\n/).filter((command) => command.trim() !== "");
}
