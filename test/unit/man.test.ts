// SPDX-License-Identifier: MIT
/** The man pages: what the command line says of itself, none left out, and nothing that groff or mandoc stumble over. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { documents } from "../../src/cli/reference.ts";
import { binary, repository } from "../helpers/paths.ts";
import { built, describeWith, program } from "../helpers/require.ts";

const MAN = `${repository}/dist/man`;

function output(...command: string[]): string {
  const run = Bun.spawnSync(command, { stderr: "pipe" });
  return run.stdout.toString() + run.stderr.toString();
}

test.each(Object.entries(await documents()))(
  "dist/%s is not stale: else run make docs",
  (name, text) => {
    expect(readFileSync(`${repository}/dist/${name}`, "utf8")).toBe(text);
  },
);

describeWith("reprieve.1", [built], () => {
  const page = readFileSync(`${MAN}/reprieve.1`, "utf8")
    .replaceAll("\\-", "-")
    .replaceAll("\\(ti", "~");
  const commands = [...output(binary, "--help").matchAll(/^ {2}([a-z]+) .*/gm)].map(
    ([, name]) => name ?? "",
  );

  test("has all commands that --help has", () => {
    expect(commands.length).toBeGreaterThan(10);
    expect([...page.matchAll(/^\.SS (.+)$/gm)].map(([, name]) => name)).toEqual(commands);
  });

  test.each(commands)("has all flags of %s, and what stands below them", (name) => {
    const [, own = ""] = page.split(`\n.SS ${name}\n`);
    const help = output(binary, name, "--help");
    const flags = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag ?? "");
    for (const flag of flags) expect(own).toContain(`\\fB${flag}\\fR`);
    for (const line of help.split(/-h, --help .*\n/)[1]?.split("\n") ?? [])
      expect(own).toContain(line.trim());
  });
});

describe.each(["reprieve.1", "reprieve.toml.5"])("%s is read without a warning", (name) => {
  describeWith("by groff", [program("groff", "groff-base")], () => {
    test("as UTF-8", () => {
      expect(output("groff", "-ww", "-b", "-man", "-Tutf8", "-z", `${MAN}/${name}`)).toBe("");
    });
  });

  describeWith("by mandoc", [program("mandoc", "mandoc")], () => {
    /** A date would make each build another page; and a line here is a sentence of the source. */
    const EXPECTED = /STYLE: input text line longer than 80 bytes|WARNING: missing date/;
    test("but for its date", () => {
      const lines = output("mandoc", "-T", "lint", `${MAN}/${name}`).trim().split("\n");
      expect(lines.filter((line) => !EXPECTED.test(line))).toEqual([]);
    });
  });
});
