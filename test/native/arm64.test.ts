// SPDX-License-Identifier: MIT
/**
 * The core for arm64: the programs of this folder by qemu-user, whose kernel is this one. Its CPU orders memory as the host's does: what only
 * a weaker order would show, this does not.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { describeWith, type Need, program } from "../helpers/require.ts";
import { cases, symbols } from "./cases.ts";

const root = `${import.meta.dir}/../..`;
const built = `${root}/dist/build/arm64`;
const QEMU = "qemu-aarch64-static";

const cross: Need = () =>
  existsSync(`${built}/core`)
    ? null
    : `${built}/core is not built (apt install gcc-aarch64-linux-gnu, run make test-native)`;

function emulated(...command: string[]) {
  const run = Bun.spawnSync([QEMU, ...command], { timeout: 60_000 });
  return { code: run.exitCode, out: run.stdout.toString(), err: run.stderr.toString() };
}

describeWith("arm64", [program(QEMU, "apt install qemu-user-static"), cross], () => {
  for (const { name, description } of cases) {
    test(`${name}: ${description}`, () => {
      expect(emulated(`${built}/test/native/${name}`)).toEqual({ code: 0, out: "", err: "" });
    }, 60_000);
  }

  test("all that is shared with the agent lies where it does on x86-64", () => {
    expect(emulated(`${built}/layout`).out).toBe(
      readFileSync(`${root}/src/native/layout.ts`, "utf8"),
    );
  });

  test("core begins, calls its kernel and ends", () => {
    expect(emulated(`${built}/core`, "version").out).toStartWith("reprieve-core ");
    const nobody = emulated(`${built}/core`, "release", "/nonexistent");
    expect(nobody).toEqual({ code: 0, out: "nothing to release\n", err: "" });
  });

  test("core and core.so ask their host for nothing", () => {
    expect(symbols(`${built}/core`, "-u")).toEqual([]);
    expect(symbols(`${built}/core.so`, "-D", "-u")).toEqual([]);
  });
});
