// SPDX-License-Identifier: MIT
/** The Debian package of `make deb`: clean, whole, and on a new Debian where systemd does not run. `make fresh`. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { brokenLinksIn, pagesIn } from "../helpers/links.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, memoryGroups, program, root } from "../helpers/require.ts";
import { DebianRoot, newDebian, output } from "./debian-root.ts";
import { buildNext, nameOf, next, pathOf, version } from "./packages.ts";

const LONG_MS = 1_800_000;

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
      "lib/systemd/system/reprieve-helpers.service",
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
      "usr/share/doc/reprieve/copyright",
      "usr/share/doc/reprieve/dist/docs/concepts.md",
      "usr/share/doc/reprieve/dist/examples/desktop.toml",
      "usr/share/doc/reprieve/dist/kubernetes/base/kustomization.yaml",
    ])
      expect(list).toContain(` ./${file}\n`);
    expect(list).toContain(" ./usr/share/doc/reprieve/examples -> dist/examples\n");
    expect(list).not.toMatch(/^\S+ (?!root\/root)/m);
  });

  test("has all that its pages link to", () => {
    const opened = mkdtempSync("/var/tmp/reprieve-opened-");
    try {
      output(["dpkg-deb", "--extract", pathOf("amd64"), opened]);
      const folder = `${opened}/usr/share/doc/reprieve`;
      expect(pagesIn(folder)).toContain("dist/docs/runbook.md");
      expect(brokenLinksIn(folder)).toEqual([]);
    } finally {
      rmSync(opened, { recursive: true });
    }
  });
});

describeWith("on a new Debian", [root, memoryGroups, newDebian], () => {
  let debian: DebianRoot;
  beforeAll(() => {
    debian = new DebianRoot();
    debian.bring(pathOf("amd64"));
    buildNext(`${debian.path}/root`);
  }, LONG_MS);
  afterAll(() => debian[Symbol.dispose](), LONG_MS);

  /** All that dpkg and apt do not write for themselves. */
  const files = () =>
    debian.does(
      "find / -xdev -path /root -prune -o -path /var/lib/dpkg -prune -o -path /var/log -prune -o -path /var/cache/apt -prune -o -path /var/lib/apt -prune -o -print | sort",
    ).out;

  test(
    "it is installed, resolves an OOM, is upgraded, removed and purged, and nothing is left",
    () => {
      debian.does("apt-get update -q");
      const before = files();
      debian.does(`apt-get install -yq --no-install-recommends ./${nameOf("amd64")}`);
      expect(debian.does("reprieve version").out).toContain(version);
      expect(debian.does("reprieve check").out).toContain("no mistake");
      const oom = debian.type("reprieve run --limit 64M --listen none -- tail /dev/zero");
      expect(oom.code).toBe(137);
      expect(oom.out).toMatch(/relieved after .* \(killed\)/);
      debian.does("rm /etc/reprieve/reprieve.toml");
      debian.does(`dpkg -i ${nameOf("amd64", next)}`);
      expect(debian.does("dpkg-query --show reprieve").out).toBe(`reprieve\t${next}\n`);
      expect(debian.does("ls /etc/reprieve").out).toBe("");
      // The /run of a host that it was started from.
      debian.does(`mkdir -p /run/systemd/system && dpkg -i ${nameOf("amd64")}`);
      debian.does("apt-get remove -yq reprieve && apt-get purge -yq reprieve");
      expect(files()).toBe(before);
    },
    LONG_MS,
  );
});
