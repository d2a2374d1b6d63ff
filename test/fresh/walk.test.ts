// SPDX-License-Identifier: MIT
/** What the README promises to somebody new, typed on a new Debian, with the time it takes. `make fresh`. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { allCommandsOf, blocksOf } from "../docs/blocks.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, memoryGroups, program, root } from "../helpers/require.ts";
import { DebianRoot, output } from "./debian-root.ts";
import { nameOf, pathOf, version } from "./packages.ts";

const LONG_MS = 1_800_000;
const COMMANDS_MOST = 3;
const FIRST_OOM_MOST_MS = 120_000;
const release = `${repository}/dist/release/reprieve-${version}-linux-x64.tar.xz`;
const ofReadme = allCommandsOf(blocksOf("README"));

/** The registry of this host, with whom it trusts: nothing of either is in a new Debian. */
function registry(debian: DebianRoot): Record<string, string> {
  const config = (key: string) => output(["npm", "config", "get", key]).trim();
  const cafile = config("cafile");
  if (cafile === "null" || cafile === "") return { npm_config_registry: config("registry") };
  copyFileSync(cafile, `${debian.path}/root/ca.pem`);
  return { npm_config_registry: config("registry"), npm_config_cafile: "/root/ca.pem" };
}

describeWith("on a new Debian", [root, memoryGroups, program("debootstrap", "debootstrap")], () => {
  let debian: DebianRoot;
  beforeEach(() => {
    debian = new DebianRoot();
  }, LONG_MS);
  afterEach(() => debian[Symbol.dispose](), LONG_MS);

  test(
    "a release file is a first resolved OOM after at most 3 commands and 2 minutes",
    () => {
      debian.bring(release);
      const blocks = ofReadme.slice(0, 2);
      const commands = blocks.flatMap(({ commands, exits }) =>
        commands.map((one) => [one, exits] as const),
      );
      const ran = commands.map(([command, exits]) => {
        const one = debian.type(command);
        expect([command, one.code]).toEqual([command, exits]);
        return one;
      });
      const ms = ran.reduce((sum, one) => sum + one.ms, 0);
      console.log(
        `first command to first resolved OOM: ${commands.length} commands, ${(ms / 1000).toFixed(1)} s`,
      );
      expect(ran.at(-1)?.out).toMatch(/relieved after .* \(killed\)/);
      expect(commands.length).toBeLessThanOrEqual(COMMANDS_MOST);
      expect(ms).toBeLessThan(FIRST_OOM_MOST_MS);
      const status = debian.does(
        "reprieve run --limit 64M -- sleep 30 & sleep 3; reprieve status; kill $!; wait",
      );
      expect(status.out).toMatch(/64\.0 MiB/);
      expect(debian.does("reprieve incidents").out).toContain("relieved");
    },
    LONG_MS,
  );

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
