// SPDX-License-Identifier: MIT
/** dist/docs/proof.md, and SECURITY.md of tests, name only what is there: files, tests, targets of make, steps of the model, numbers. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { repository } from "../helpers/paths.ts";

const read = (file: string) => readFileSync(`${repository}/${file}`, "utf8");
const page = read("dist/docs/proof.md");

/** The lines that begin with `- **KIND.**`. */
function linesOf(kind: string): string[] {
  return [...page.matchAll(new RegExp(`^- \\*\\*${kind}\\.\\*\\* (.+)$`, "gm"))].map(
    ([, text]) => text ?? "",
  );
}

function quoted(text: string, mark: "`" | '"'): string[] {
  return [...text.matchAll(new RegExp(`${mark}([^${mark}]+)${mark}`, "g"))].map(([, t]) => t ?? "");
}

test("every promise has a test or a number", () => {
  const promises = page.split(/^### /m).slice(1);
  expect(promises.length).toBeGreaterThan(20);
  const bare = promises.filter((one) => !/^- \*\*(Test|Number)\.\*\*/m.test(one));
  expect(bare.map((one) => one.split("\n")[0])).toEqual([]);
});

test("every file is there, and has the tests that are named behind it", () => {
  const missing: string[] = [];
  for (const line of linesOf("Test")) {
    const parts = line.split(/`(test\/[^`]+)`/).slice(1);
    for (let i = 0; i < parts.length; i += 2) {
      const [file = "", behind = ""] = parts.slice(i, i + 2);
      const text = existsSync(`${repository}/${file}`) ? read(file) : undefined;
      if (text === undefined) missing.push(file);
      else missing.push(...quoted(behind, '"').filter((name) => !text.includes(name)));
    }
  }
  expect(linesOf("Test").length).toBeGreaterThan(20);
  expect(missing).toEqual([]);
});

test("no folder of tests is left out", () => {
  const files = [...new Bun.Glob("test/*/*.test.ts").scanSync(repository)];
  const folders = [...new Set(files.map(dirname))];
  expect(folders.length).toBeGreaterThan(9);
  expect(folders.filter((folder) => !page.includes(`\`${folder}`))).toEqual([]);
});

test("every test that SECURITY.md names is there", () => {
  const files = quoted(read("SECURITY.md"), "`").filter((name) => name.startsWith("test/"));
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => !existsSync(`${repository}/${file}`))).toEqual([]);
});

test("every step and property of the model is there", () => {
  const model = read("test/model/reprieve.pml") + read("test/model/model.test.ts");
  const steps = linesOf("Model").flatMap((line) => quoted(line, "`"));
  const properties = linesOf("Model").flatMap((line) => quoted(line, '"'));
  expect(steps.length).toBeGreaterThan(10);
  expect(steps.filter((step) => !new RegExp(`\\b${step}\\b`).test(model))).toEqual([]);
  const claims = properties.filter((one) => one !== "one writer");
  expect(claims.filter((property) => !model.includes(property))).toEqual([]);
});

test("every number is one of the figures", () => {
  const figures = read("dist/docs/figures.md");
  const numbers = linesOf("Number").flatMap((line) => quoted(line, "`"));
  expect(numbers.length).toBeGreaterThan(10);
  expect(numbers.filter((number) => !figures.includes(number))).toEqual([]);
});

test.each(["faq", "handler-protocol"])(
  "every broken number of %s is one of the figures",
  (name) => {
    const figures = read("dist/docs/figures.md");
    // Versions of the kernel and of Kubernetes, MiB of the protocol, an address.
    const others = /^(?:1\.3[158]|6\.1?\d|1\.25|2601\.3)$/;
    const prose = read(`dist/docs/${name}.md`).replace(/^```text\n.*?^```$/gms, "");
    const broken = prose.match(/\d+\.\d+/g) ?? [];
    expect(broken.filter((number) => !others.test(number) && !figures.includes(number))).toEqual(
      [],
    );
  },
);

test("the fault matrix is told as it ran last", () => {
  const told = ["RESULTS.md", "RESULTS-v2.md"].map((file) => {
    const [, , ...rows] = read(`test/fault/${file}`).match(/^\|.*\|$/gm) ?? [];
    const cells = rows.filter((row) => !row.includes("NOT RUN"));
    return `${cells.filter((cell) => cell.endsWith("| pass |")).length} of ${cells.length}`;
  });
  expect(told.filter((one) => !page.includes(one))).toEqual([]);
});

test("every command to repeat it can be given", () => {
  const commands = linesOf("Again").flatMap((line) => quoted(line, "`"));
  const makefile = read("Makefile");
  const included = [...makefile.matchAll(/^include (.+)$/gm)].map(([, file = ""]) => read(file));
  const makefiles = [makefile, ...included].join("\n");
  const figures = /^BENCH_FIGURES := (.*)$/m.exec(makefiles)?.[1]?.split(" ") ?? [];
  const wrong = commands.filter((command) => {
    const [program, what = ""] = command.split(/ (?:test )?/);
    if (program?.endsWith("/bun")) return !existsSync(`${repository}/${what}`);
    if (figures.includes(what.replace(/^bench-/, ""))) return false;
    return !new RegExp(`^(?!\\.PHONY).*\\b${what}:`, "m").test(makefiles);
  });
  expect(commands.length).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});
