// SPDX-License-Identifier: MIT
/** What all commands share: a typo is met with what was meant, no colours, one table of exit codes. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { binary, repository } from "../helpers/paths.ts";
import { built, describeWith } from "../helpers/require.ts";

function ended(...args: string[]) {
  const run = Bun.spawnSync([binary, ...args], { env: { ...process.env, FORCE_COLOR: "1" } });
  return { code: run.exitCode, out: run.stdout.toString(), err: run.stderr.toString() };
}

describeWith("a typo", [built], () => {
  test.each([
    ["explian", "explain"],
    ["run --delya 1s", "--delay"],
    ["check --efective", "--effective"],
    ["explain --jsn", "--json"],
    ["rehearse --confg", "--config"],
    ["doctor --jso", "--json"],
    ["handle --guard x --sockt y", "--socket"],
    ["release --forse", "--force"],
    ["completoin", "completion"],
  ])("%s is met with %s", (line, meant) => {
    const { code, err, out } = ended(...line.split(" "));
    expect(err).toContain(`(Did you mean ${meant}?)`);
    expect([code, out]).toEqual([exit.usage, ""]);
  });
});

describeWith("--help", [built], () => {
  const commands = ended("--help").out.match(/^ {2}[a-z]+(?= |$)/gm) ?? [];

  test("names every command", () => {
    expect(commands.map((name) => name.trim()).sort()).toEqual([
      ...["check", "completion", "doctor", "explain", "handle", "incidents", "install", "rehearse"],
      ...["release", "reload", "replay", "run", "status", "uninstall", "upgrade"],
      ...["version", "watch"],
    ]);
  });

  test.each(commands.map((name) => [name.trim()]))("of %s is there, without colours", (name) => {
    const { code, out, err } = ended(name, "--help");
    expect(out).toStartWith(`Usage: reprieve ${name} `);
    expect(out + err).not.toContain("\u001b");
    expect(code).toBe(exit.ok);
  });
});

describe("exit codes", () => {
  test("are those of the table, all of them", () => {
    const page = readFileSync(`${repository}/dist/docs/reference-files.md`, "utf8");
    const table = page.split("## Exit codes")[1]?.split("\n## ")[0] ?? "";
    const told = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, codes = ""]) =>
      codes.split(", ").map(Number),
    );
    // From 128 on they are CMD's.
    expect(told).toEqual(Object.values(exit).filter((code) => code < exit.signal));
  });
});
