// SPDX-License-Identifier: MIT
/** The image of `make image`: read by skopeo, its tree file by file, and what dist/container/Containerfile makes of the same release. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { output } from "../../src/release/output.ts";
import { repository } from "../helpers/paths.ts";
import { describeWith, program, root } from "../helpers/require.ts";

const { version } = await Bun.file(`${repository}/package.json`).json();
const release = `${repository}/dist/release`;
const CPUS = {
  x64: {
    oci: "amd64",
    linker: "lib64/ld-linux-x86-64.so.2",
    lib: "lib/x86_64-linux-gnu",
    libc: "libc6",
  },
  arm64: {
    oci: "arm64",
    linker: "lib/ld-linux-aarch64.so.1",
    lib: "lib/aarch64-linux-gnu",
    libc: "libc6-arm64-cross",
  },
} as const;
type Arch = keyof typeof CPUS;
/** 118 MB are packed and unpacked. */
const BOUND_MS = 300_000;
const opened = mkdtempSync("/var/tmp/reprieve-image-");
afterAll(() => rmSync(opened, { recursive: true }));

const imageOf = (arch: Arch) => `oci-archive:${release}/reprieve-${version}-image-${arch}.tar`;
const configOf = (image: string) => JSON.parse(output("skopeo", "inspect", "--config", image));

/** Its layers, unpacked: what is in there, without directories. */
function filesOf(image: string, to: string): string[] {
  mkdirSync(to);
  output("skopeo", "copy", "--quiet", image, `oci:${to}/oci:it`);
  output("umoci", "unpack", "--image", `${to}/oci:it`, `${to}/bundle`);
  const all = readdirSync(`${to}/bundle/rootfs`, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => `${parentPath}/${name}`.replace(`${to}/bundle/rootfs/`, ""))
    .sort();
}

describeWith(
  "the image",
  [root, program("umoci", "apt install umoci"), program("skopeo", "apt install skopeo")],
  () => {
    describe.each(["x64", "arm64"] as const)("%s", (arch) => {
      const { oci, linker, lib, libc } = CPUS[arch];

      test("is of nobody in particular, and says what it is", () => {
        const { architecture, os, config } = configOf(imageOf(arch));
        expect({ architecture, os }).toEqual({ architecture: oci, os: "linux" });
        expect(config.User).toBe("65532:65532");
        expect(config.Entrypoint).toEqual(["/usr/bin/reprieve"]);
        expect(config.Labels["org.opencontainers.image.version"]).toBe(version);
      });

      test(
        "has the binary, the libraries that it names and their licences, and no other file",
        () => {
          const libraries = ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"];
          const docs = ["LICENSE", "THIRD-PARTY", "sbom.cdx.json"];
          const to = `${opened}/${arch}`;
          expect(filesOf(imageOf(arch), to)).toEqual(
            [
              linker,
              ...libraries.map((name) => `${lib}/${name}`),
              "usr/bin/reprieve",
              `usr/share/doc/${libc}/copyright`,
              ...docs.map((name) => `usr/share/doc/reprieve/${name}`),
            ].sort(),
          );
          const bom = JSON.parse(
            readFileSync(`${to}/bundle/rootfs/usr/share/doc/reprieve/sbom.cdx.json`, "utf8"),
          );
          const found = bom.components.find(({ name }: { name: string }) => name === libc);
          expect(found.version).toBe(
            /^Version: (.*)$/m.exec(output("dpkg-query", "-s", libc))?.[1],
          );
          const compressed = statSync(`${release}/reprieve-${version}-image-${arch}.tar`).size;
          const whole = Number(output("du", "-sb", `${to}/bundle/rootfs`).split("\t")[0]);
          console.log(`${arch}: ${compressed} bytes of image, ${whole} unpacked`);
        },
        BOUND_MS,
      );
    });

    describeWith("of the Containerfile", [program("buildah", "apt install buildah")], () => {
      test(
        "has the same files and settings",
        () => {
          const built = `oci-archive:${opened}/built.tar`;
          const storage = [
            "--root",
            `${opened}/storage`,
            "--runroot",
            `${opened}/run`,
            "--storage-driver",
            "vfs",
          ];
          const args = ["--isolation", "chroot", "--build-arg", `VERSION=${version}`, "-t", built];
          const containerfile = `${repository}/dist/container/Containerfile`;
          output("buildah", ...storage, "build", ...args, "-f", containerfile, release);
          const { "io.buildah.version": _, ...labels } = configOf(built).config.Labels;
          const ours = configOf(imageOf("x64")).config;
          const { "org.opencontainers.image.created": __, ...expected } = ours.Labels;
          expect(labels).toEqual(expected);
          for (const key of ["User", "Env", "Entrypoint"])
            expect(configOf(built).config[key]).toEqual(ours[key]);
          expect(filesOf(built, `${opened}/of-containerfile`)).toEqual(
            filesOf(imageOf("x64"), `${opened}/again`),
          );
        },
        BOUND_MS,
      );
    });
  },
);
