// SPDX-License-Identifier: MIT
/** The Debian package of `make deb`: clean, the same bytes again, and on a new Debian without systemd. `make fresh`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync, statSync } from "node:fs";
import { repository } from "../helpers/paths.ts";
import { describeWith, memoryGroups, program, root } from "../helpers/require.ts";
import { DebianRoot, output } from "./debian-root.ts";

const { version } = await Bun.file(`${repository}/package.json`).json();
const LONG_MS = 1_800_000;
const RELEASE = "dist/release";
const nameOf = (arch: string) => `reprieve_${version}_${arch}.deb`;
const pathOf = (arch: string) => `${repository}/${RELEASE}/${nameOf(arch)}`;

describeWith("the package", [program("lintian", "lintian")], () => {
  test.each(["amd64", "arm64"])(
    "%s: lintian has nothing to say that is not told why",
    (arch) => {
      console.log(`${nameOf(arch)}: ${statSync(pathOf(arch)).size} bytes`);
      const said = output(["lintian", "--allow-root", "--fail-on", "error,warning", pathOf(arch)]);
      expect(said).toBe("");
    },
    LONG_MS,
  );

  test("each override has its reason above it", () => {
    const overrides = readFileSync(`${repository}/dist/debian/reprieve.lintian-overrides`, "utf8");
    expect(overrides).toMatch(/^(#.*\n(reprieve: .*\n)+)+$/);
  });

  test("has the program of the release file, units, man pages, completions, pages and examples", () => {
    const program = `dpkg-deb --fsys-tarfile ${pathOf("amd64")} | tar -xO ./usr/bin/reprieve | cmp - dist/build/release/x64/reprieve`;
    expect(output(["sh", "-c", program], repository)).toBe("");
    const list = output(["dpkg-deb", "--contents", pathOf("amd64")]);
    for (const file of [
      "etc/reprieve/reprieve.toml",
      "lib/systemd/system/reprieve.service",
      "lib/systemd/system/reprieve-watchers.service",
      "lib/systemd/system/reprieve.slice",
      "usr/bin/reprieve",
      "usr/share/bash-completion/completions/reprieve",
      "usr/share/zsh/vendor-completions/_reprieve",
      "usr/share/fish/vendor_completions.d/reprieve.fish",
      "usr/share/man/man1/reprieve.1.gz",
      "usr/share/man/man5/reprieve.toml.5.gz",
      "usr/share/doc/reprieve/README.md",
      "usr/share/doc/reprieve/CHANGELOG.md",
      "usr/share/doc/reprieve/THIRD-PARTY",
      "usr/share/doc/reprieve/concepts.md",
      "usr/share/doc/reprieve/copyright",
      "usr/share/doc/reprieve/examples/desktop.toml",
    ])
      expect(list).toContain(` ./${file}\n`);
    expect(list).not.toMatch(/^\S+ (?!root\/root)/m);
  });

  test(
    "built once more, at another time, on one CPU and with another umask, it is the same",
    () => {
      const again = `dist/build/fresh/again`;
      rmSync(`${repository}/${again}`, { recursive: true, force: true });
      const make = `umask 077; exec taskset -c 0 make R=${again} ${again}/${nameOf("amd64")}`;
      output(["sh", "-c", make], repository, { ...process.env, TZ: "Asia/Tokyo", LANG: "C" });
      const sum = (path: string) => output(["sha256sum", path]).split(" ")[0];
      expect(sum(`${again}/${nameOf("amd64")}`)).toBe(sum(pathOf("amd64")));
    },
    LONG_MS,
  );
});

describeWith("on a new Debian", [root, memoryGroups, program("debootstrap", "debootstrap")], () => {
  let debian: DebianRoot;
  beforeAll(() => {
    debian = new DebianRoot();
    debian.bring(pathOf("amd64"));
  }, LONG_MS);
  afterAll(() => debian[Symbol.dispose]());

  /** All that dpkg and apt do not write for themselves. */
  const files = () =>
    debian.does(
      "find / -xdev -path /root -prune -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /var/cache/apt -prune -o -print | sort",
    ).out;

  test(
    "it is installed, resolves an OOM, is removed and purged, and nothing is left",
    () => {
      debian.does("apt-get update -q");
      const before = files();
      debian.does(`apt-get install -yq --no-install-recommends ./${nameOf("amd64")}`);
      expect(debian.does("reprieve version").out).toContain(version);
      expect(debian.does("reprieve check").out).toContain("no mistake");
      const oom = debian.type("reprieve run --limit 64M --listen none -- tail /dev/zero");
      expect(oom.code).toBe(137);
      expect(oom.out).toMatch(/relieved after .* \(killed\)/);
      debian.does("apt-get remove -yq reprieve");
      expect(debian.does("ls /etc/reprieve").out).toBe("reprieve.toml\n");
      debian.does("apt-get purge -yq reprieve");
      expect(files()).toBe(before);
    },
    LONG_MS,
  );
});
