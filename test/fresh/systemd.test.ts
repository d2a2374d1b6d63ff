// SPDX-License-Identifier: MIT
/** The Debian package where systemd is process 1, in a VM: installed, an OOM, upgraded without a gap, removed, purged. `make fresh`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import { describeWith, program, root } from "../helpers/require.ts";
import { boot, consoleOf } from "../vm/machine.ts";
import { DebianRoot, newDebian, output } from "./debian-root.ts";
import { buildNext, nameOf, next, pathOf } from "./packages.ts";

const LONG_MS = 3_600_000;
const BOUND_S = 2400;
const ROOM_MB = 600;
function makeDisk(debian: DebianRoot, image: string): void {
  debian.bring(pathOf("amd64"));
  buildNext(`${debian.path}/root`);
  copyFileSync(`${import.meta.dir}/job`, `${debian.path}/job`);
  const unit = `${debian.path}/lib/systemd/system/job.service`;
  copyFileSync(`${repository}/test/vm/job.service`, unit);
  const usedMb = Number(output(["du", "-sm", debian.path]).split("\t")[0]);
  const size = `${Math.round(usedMb * 1.1) + ROOM_MB}M`;
  output(["mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", debian.path, image, size]);
}

const needs = [root, newDebian, program("qemu-system-x86_64", "qemu-system-x86")];

describeWith("with systemd", needs, () => {
  const dir = mkdtempSync("/var/tmp/reprieve-disk-");
  const disk = `${dir}/root.ext4`;
  beforeAll(() => {
    using debian = new DebianRoot();
    makeDisk(debian, disk);
  }, LONG_MS);
  afterAll(() => rmSync(dir, { recursive: true }), LONG_MS);

  test(
    "a package's life, from its installation to nothing that is left",
    async () => {
      const machine = { name: "fresh", cgroups: "systemd", disk } as const;
      const script = `FIRST=${nameOf("amd64")} NEXT=${nameOf("amd64", next)}\n${await Bun.file(`${import.meta.dir}/systemd.sh`).text()}`;
      const lines: string[] = [];
      const { code, broken } = await boot(machine, script, BOUND_S, (line) => lines.push(line));
      const all = lines.join("\n");
      console.log(all);
      expect({ code, broken, see: consoleOf(machine) }).toEqual({
        code: 0,
        broken: null,
        see: consoleOf(machine),
      });
      const parts = Object.fromEntries(all.split(/^== /m).map((part) => part.split(/\n(.*)/s)));
      const disabled = parts["upgrade of one that is disabled"];
      for (const upgrade of [parts.upgrade, disabled]) {
        expect(upgrade).toContain("was taken over: no group was unwatched");
        expect(upgrade).toMatch(/^ +\d+ held and watched$/m);
        expect(upgrade).not.toContain("held, unwatched");
      }
      expect(parts["upgrade with mistakes in the config file"]).toContain(
        "the program that runs guards on",
      );
      expect(parts["upgrade that a policy forbids"]).toContain("taken over: reprieve upgrade");
      expect(parts.remove).toMatch(/^reprieve\.d +reprieve\.toml$/m);
      expect(parts.purge).toBe("");
    },
    LONG_MS,
  );
});
