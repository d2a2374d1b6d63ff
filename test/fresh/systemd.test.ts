// SPDX-License-Identifier: MIT
/** The Debian package where systemd is process 1, in a VM: installed, an OOM, upgraded without a gap, removed, purged. `make fresh`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import { describeWith, program, root } from "../helpers/require.ts";
import { boot, consoleOf } from "../vm/machine.ts";
import { DebianRoot, output } from "./debian-root.ts";

const LONG_MS = 3_600_000;
const BOUND_S = 2400;
const ROOM_MB = 600;
const { version } = await Bun.file(`${repository}/package.json`).json();
const NEXT = `${version}+1`;
const packageOf = (one: string) => `reprieve_${one}_amd64.deb`;
const built = `${repository}/dist/release/${packageOf(version)}`;

/** The same, as if it were of the next version. */
function buildNext(to: string): void {
  const dir = mkdtempSync("/var/tmp/reprieve-next-");
  try {
    output(["dpkg-deb", "--raw-extract", built, dir]);
    output(["sed", "-i", `s/^Version: .*/Version: ${NEXT}/`, `${dir}/DEBIAN/control`]);
    output(["dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, to]);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function makeDisk(debian: DebianRoot, image: string): void {
  debian.bring(built);
  buildNext(`${debian.path}/root/${packageOf(NEXT)}`);
  copyFileSync(`${import.meta.dir}/job`, `${debian.path}/job`);
  const unit = `${debian.path}/lib/systemd/system/job.service`;
  copyFileSync(`${repository}/test/vm/job.service`, unit);
  const usedMb = Number(output(["du", "-sm", debian.path]).split("\t")[0]);
  const size = `${Math.round(usedMb * 1.1) + ROOM_MB}M`;
  output(["mke2fs", "-q", "-t", "ext4", "-E", "root_owner=0:0", "-d", debian.path, image, size]);
}

const needs = [
  root,
  program("debootstrap", "debootstrap"),
  program("qemu-system-x86_64", "qemu-system-x86"),
];

describeWith("with systemd", needs, () => {
  const dir = mkdtempSync("/var/tmp/reprieve-disk-");
  const disk = `${dir}/root.ext4`;
  beforeAll(() => {
    using debian = new DebianRoot();
    makeDisk(debian, disk);
  }, LONG_MS);
  afterAll(() => rmSync(dir, { recursive: true }));

  test(
    "a package's life, from its installation to nothing that is left",
    async () => {
      const machine = { name: "fresh", cgroups: "systemd", disk } as const;
      const script = `FIRST=${packageOf(version)} NEXT=${packageOf(NEXT)}\n${await Bun.file(`${import.meta.dir}/systemd.sh`).text()}`;
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
      expect(parts.upgrade).toContain("was taken over: no group was unwatched");
      expect(parts.upgrade).toMatch(/^ +\d+ held$/m);
      expect(parts.remove).toMatch(/^reprieve\.d +reprieve\.toml$/m);
      expect(parts.purge).toBe("");
    },
    LONG_MS,
  );
});
