// SPDX-License-Identifier: MIT
/** What the README promises to somebody new, typed on a new Debian, with the time it takes. `make fresh`. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { allCommandsOf, blocksOf } from "../docs/blocks.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, memoryGroups, root } from "../helpers/require.ts";
import { DebianRoot, newDebian } from "./debian-root.ts";
import { version } from "./packages.ts";

const LONG_MS = 1_800_000;
const COMMANDS_MOST = 3;
const FIRST_OOM_MOST_MS = 120_000;
const release = `${repository}/dist/release/reprieve-${version}-linux-x64.tar.xz`;
const ofReadme = allCommandsOf(blocksOf("README"));

describeWith("on a new Debian", [root, memoryGroups, newDebian], () => {
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
});
