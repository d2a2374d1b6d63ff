// SPDX-License-Identifier: MIT
/** README.md and dist/docs say what there is, and all of it: words of blocks, commands, flags, links. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { program } from "../../src/cli/program.ts";
import { load } from "../../src/config/load.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { repository } from "../helpers/paths.ts";
import {
  allCommandsOf,
  blocksOf,
  commandsOf,
  fileOf,
  KINDS,
  type Kind,
  pages,
  parse,
} from "./blocks.ts";
import { missing } from "./output.ts";

/** `figure` is a drawing; any other language may have the name of a file behind it, which the block is. */
const LANGUAGES = ["sh", "text", "toml", "ini", "yaml", "json", "bash", "c", "ts"];
const WORDS: readonly RegExp[] = [
  new RegExp(`^(${KINDS.filter((kind) => kind !== "here").join("|")})$`),
  /^exits=\d+$/,
  /^background$/,
  /^v[12]$/,
];
/** Who runs a kind's commands elsewhere says commandsOf("page", "kind"); another page may repeat a command of that page. */
const ELSEWHERE = KINDS.filter((kind) => !["here", "make"].includes(kind));

const { commands } = await program([], () => {});
/** Each command's, by name. */
const flags = new Map(
  commands.map((command) => [command.name(), command.options.map(({ long }) => long ?? "")]),
);
/** Where all of a command is told, and not only what somebody needs of it. */
const REFERENCE = /^(reference-.+|host|handler-protocol)$/;

const read = (file: string) => readFileSync(`${repository}/${file}`, "utf8");

describe.each(pages())("%s", (page) => {
  const blocks = blocksOf(page);
  const at = ({ line }: { line: number }) => `${fileOf(page)}:${line}`;

  test("its blocks have words that are known", () => {
    for (const block of blocks) {
      expect([at(block), LANGUAGES]).toEqual([at(block), expect.arrayContaining([block.language])]);
      if (block.language !== "sh") continue;
      const unknown = block.words.filter((word) => !WORDS.some((known) => known.test(word)));
      expect([at(block), unknown]).toEqual([at(block), []]);
    }
  });

  test("its outputs are behind the commands that print them", () => {
    const alone = blocks.filter(
      ({ language, words }, i) =>
        language === "text" && !words.includes("figure") && blocks[i - 1]?.language !== "sh",
    );
    expect(alone.map(at)).toEqual([]);
  });

  test("it has no block that only its indent makes", () => {
    expect(Bun.markdown.html(read(fileOf(page))).match(/<pre><code>[^\n]*/g) ?? []).toEqual([]);
  });

  test.each(
    blocks.filter(({ language }) => language === "toml").map((block) => [at(block), block]),
  )("the config file of %s has no mistake", (_, { words, text }) => {
    const folder = makeFolder("docs");
    const file = `${folder}/reprieve.toml`;
    if (isDropIn(words)) {
      mkdirSync(`${folder}/reprieve.d`);
      writeFileSync(`${folder}/reprieve.d/a.toml`, text);
    }
    const whole = blocks.find((block) => block.words[0]?.endsWith("/reprieve.toml"));
    writeFileSync(file, isDropIn(words) ? (whole?.text ?? "") : text);
    expect(load(file).mistakes).toEqual([]);
    removeFolder(folder);
  });

  test("a test claims what is not run here", () => {
    const claims = claimsOf();
    const typedOn = (one: string, kind: Kind) =>
      commandsOf(one, kind).flatMap((block) => block.commands);
    const typedBy = (kind: Kind) =>
      pages()
        .filter((one) => claims.includes(`commandsOf("${one}", "${kind}")`))
        .flatMap((one) => typedOn(one, kind));
    const unclaimed = ELSEWHERE.flatMap((kind) => {
      const claimed = typedBy(kind);
      return typedOn(page, kind).filter((command) => !claimed.includes(command));
    });
    expect(unclaimed).toEqual([]);
  });

  test("its targets of make are there", () => {
    const commands = commandsOf(page, "make").flatMap((block) => block.commands);
    for (const command of commands) {
      const made = Bun.spawnSync(["bash", "-c", command.replace(/\bmake\b/, "make -n")], {
        cwd: repository,
      });
      expect([command, made.exitCode]).toEqual([command, 0]);
    }
  });
});

test.each([
  ...pages().map(fileOf),
  ...["src", "native", "test"].map((name) => `${name}/README.md`),
  "SECURITY.md",
])("the links of %s lead somewhere", (file) => {
  const html = Bun.markdown.html(read(file), { headings: { ids: true } });
  const broken = [...html.matchAll(/(?:href|src)="([^"]*)"/g)]
    .map(([, link = ""]) => link)
    .filter((link) => !/^[a-z]+:/.test(link) && !leads(file, link));
  expect(broken).toEqual([]);
});

test.each([
  ["native/README.md", "native/*.c"],
  ["test/README.md", "test/kernel/*.test.ts"],
])("%s names each of %s", (page, pattern) => {
  const names = [...new Bun.Glob(pattern).scanSync(repository)].map((file) => basename(file));
  const text = read(page);
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

describe("the program's commands and flags", () => {
  const told = pages()
    .filter((page) => REFERENCE.test(page))
    .map((page) => read(fileOf(page)));

  test.each(pages())("%s names only those that there are", (page) => {
    const typed = allCommandsOf(blocksOf(page)).flatMap(({ commands }) => commands);
    const quoted = [...read(fileOf(page)).matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
    expect([...typed, ...quoted].flatMap(wrongIn)).toEqual([]);
  });

  test.each(commands.map((command) => [command.name(), command.options] as const))(
    "a reference page has %s, with each flag and its value where it may have one",
    (name, options) => {
      const texts = told.filter((text) => text.includes(`reprieve ${name}`));
      const isTold = ({ long = "", optional }: (typeof options)[number]) =>
        texts.some((text) => new RegExp(`${long}${optional ? "\\[=" : "(?![\\w-])"}`).test(text));
      expect(texts).not.toEqual([]);
      expect(options.filter((option) => !isTold(option)).map(({ flags }) => flags)).toEqual([]);
    },
  );
});

describe("this harness", () => {
  test("takes a page to pieces", () => {
    const page =
      "# A\n```sh exits=3 background\na \\\n  b\nc\n```\n```text\nout\n```\n## B\n```toml x.toml\nk = 1\n```\n";
    const [first, , file] = parse("x", page);
    expect(allCommandsOf(parse("x", page))).toMatchObject([
      { kind: "here", commands: ["a \\\n  b", "c"], exits: 3, isBackground: true, shown: "out" },
    ]);
    expect([first?.line, file?.words, file?.section]).toEqual([
      2,
      ["x.toml"],
      { level: 2, heading: 2 },
    ]);
    expect(() => parse("x", "```sh\n")).toThrow("does not end");
  });

  test.each([
    ["kill   worker (4711)  61.2 MiB", "kill worker (9)  980 KiB\n", true],
    ["kill worker (4711)", "kill database (4711)", false],
    ["+2 443 us relief", "x\n+9 us relief", true],
    ["a\nb", "b\na", true],
    ["kill tail (26108)  63.8 MiB", "kill  process 26108  63.8 MiB", true],
    ["kill tail (26108)", "kill process 26108 late", false],
    ["a\n\nc", "a\nb\nc", true],
    ["at ... is 5k5q3q3foo-0-1", "at 12:00 is zzzzzzzzzz-3-12", true],
  ])("compares %p with %p: %p", (shown, output, isSame) => {
    expect(missing(shown, output) === undefined).toBe(isSame);
  });
});

/** It is one over the page's own reprieve.toml. */
function isDropIn([path = ""]: readonly string[]): boolean {
  return path.includes("/reprieve.d/");
}

/** All that tests say of pages. */
function claimsOf(): string {
  const files = [...new Bun.Glob("test/**/*.ts").scanSync(repository)];
  return files
    .filter((file) => !file.startsWith("test/docs/check"))
    .map(read)
    .join("\n");
}

function leads(from: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const file = path === "" ? from : relative(repository, join(repository, dirname(from), path));
  if (!existsSync(`${repository}/${file}`)) return false;
  if (anchor === undefined) return true;
  const html = Bun.markdown.html(read(file), { headings: { ids: true } });
  return html.includes(`id="${anchor}"`);
}

/** What of a command line is no command or flag of reprieve's; what is behind `--` is CMD's. */
function wrongIn(line: string): string[] {
  const calls = [
    ...line.replaceAll("\\\n", " ").matchAll(/(?:^|[;&|(]\s*)reprieve (\S+)([^;&|)]*)/g),
  ];
  return calls.flatMap(([call, name = "", rest = ""]) => {
    if (name.startsWith("-") || name === "...") return [];
    const known = flags.get(name);
    if (known === undefined) return [`${call}: no command ${name}`];
    const own = rest.replace(/'[^']*'|"[^"]*"/g, "").split(/ --(?: |$)/)[0] ?? "";
    const given = [...own.matchAll(/(?<=\s)--[a-z][\w-]*/g)].map(([flag]) => flag);
    return given
      .filter((flag) => flag !== "--help" && !known.includes(flag))
      .map((flag) => `${call}: ${flag}`);
  });
}
