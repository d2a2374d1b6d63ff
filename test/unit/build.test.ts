// SPDX-License-Identifier: MIT
/** What this build says that it is; and that the same sources in another folder make the same bytes. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { binary, repository } from "../helpers/paths.ts";
import { built, describeWith } from "../helpers/require.ts";

function output(command: string[], cwd = repository): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit ${exitCode}\n${stderr}`);
  return stdout.toString();
}

describeWith("a build", [built], () => {
  const told = JSON.parse(output([binary, "version", "--json"]));

  test("says its version, commit, date and target", () => {
    const { version } = JSON.parse(readFileSync(`${repository}/package.json`, "utf8"));
    expect(told).toMatchObject({ version, target: "linux-x64" });
    expect(told.commit).toMatch(/^([0-9a-f]{12,}(-dirty)?|unknown)$/);
    expect(new Date(told.date).toISOString().replace(".000", "")).toBe(told.date);
  });

  test("says the same in a line, by --version too", () => {
    const line = `reprieve ${told.version}, commit ${told.commit}, ${told.date}, linux-x64, Bun ${told.bun}\n`;
    expect(output([binary, "version"])).toBe(line);
    expect(output([binary, "--version"])).toBe(line);
  });

  test("is the same, byte for byte, made once more in another folder", () => {
    const copy = makeFolder("again", "/var/tmp");
    const parts = ["Makefile", "LICENSE", "package.json", "package-lock.json", "native", "src"];
    try {
      output(["cp", "-a", ...parts, "node_modules", copy]);
      output([
        "cp",
        "-a",
        "--parents",
        ...[
          "test/bench/bench.mk",
          "dist/asyncapi.json",
          "dist/openapi.json",
          "dist/systemd",
          "dist/man",
        ],
        copy,
      ]);
      const set = [`COMMIT=${told.commit}`, `EPOCH=${Date.parse(told.date) / 1000}`];
      // Those of arm64 too, where `make test` has made them.
      const arm64 = ["dist/build/arm64/core", "dist/build/arm64/core.so"];
      const made = arm64.filter((file) => existsSync(`${repository}/${file}`));
      output(["make", "-j2", ...set, "dist/reprieve", ...made], copy);
      expect(output(["cmp", binary, `${copy}/dist/reprieve`])).toBe("");
      for (const file of made) expect(output(["cmp", file, `${copy}/${file}`])).toBe("");
    } finally {
      removeFolder(copy);
    }
  }, 300_000);
});
