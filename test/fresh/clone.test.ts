// SPDX-License-Identifier: MIT
/** From a clone, on a new Debian: all of it is made of what the README names, with the time it takes. `make fresh`. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import { describeWith, memoryGroups, root } from "../helpers/require.ts";
import { DebianRoot, newDebian, output } from "./debian-root.ts";
import { nameOf, pathOf } from "./packages.ts";

const LONG_MS = 1_800_000;

/** The registry of this host, with whom it trusts: nothing of either is in a new Debian. */
function registry(debian: DebianRoot): Record<string, string> {
  const config = (key: string) => output(["npm", "config", "get", key]).trim();
  const cafile = config("cafile");
  if (cafile === "null" || cafile === "") return { npm_config_registry: config("registry") };
  copyFileSync(cafile, `${debian.path}/root/ca.pem`);
  return { npm_config_registry: config("registry"), npm_config_cafile: "/root/ca.pem" };
}

describeWith("on a new Debian", [root, memoryGroups, newDebian], () => {
  let debian: DebianRoot;
  beforeEach(() => {
    debian = new DebianRoot();
  }, LONG_MS);
  afterEach(() => debian[Symbol.dispose](), LONG_MS);

  test(
    "from a clone: the demo, the tests that want nothing but its compilers, and the package, with the same bytes as here",
    () => {
      debian.does(
        "apt-get update -q && apt-get install -yq --no-install-recommends nodejs npm gcc libc6-dev make",
      );
      output(["git", "clone", "-q", "--no-hardlinks", repository, `${debian.path}/root/reprieve`]);
      const env = registry(debian);
      const make = debian.does("cd reprieve && make", env);
      const demo = debian.does("cd reprieve && make demo", env);
      expect(demo.out).toContain("One OOM with reprieve");
      console.log(
        `make ${(make.ms / 1000).toFixed(0)} s, make demo ${(demo.ms / 1000).toFixed(0)} s`,
      );
      expect(debian.does("cd reprieve && make test-unit", env).out).toMatch(/^ 0 fail$/m);
      const lacks = debian.type("cd reprieve && make deb", env);
      const [, wanted = ""] = /^make deb wants Debian's packages (.*)/m.exec(lacks.out) ?? [];
      expect([lacks.code, wanted]).toEqual([2, expect.stringContaining("debhelper")]);
      debian.does(`apt-get install -yq --no-install-recommends git ${wanted}`);
      const file = `dist/release/${nameOf("amd64")}`;
      // On one CPU too, and with another umask.
      debian.does(`cd reprieve && umask 077 && taskset -c 0 make ${file}`, {
        ...env,
        TZ: "Asia/Tokyo",
      });
      const sum = (path: string) => output(["sha256sum", path]).split(" ")[0];
      expect(sum(`${debian.path}/root/reprieve/${file}`)).toBe(sum(pathOf("amd64")));
    },
    LONG_MS,
  );
});
