// SPDX-License-Identifier: MIT
/**
 * `bun src/release/image.ts x64 EPOCH RELEASED ROOT PACKED IMAGE`: the root tree of the image, out of an unpacked release file; packed, for the
 * Containerfile; and the image itself, an OCI layout in one tar, by umoci: neither a container engine nor a network is needed. The same inputs give the same bytes.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { output } from "./output.ts";
import { type Arch, CPUS, ENTRYPOINT, makeTree } from "./tree.ts";

/** Of nobody in particular; Kubernetes demands a number for `runAsNonRoot`. */
const USER = "65532:65532";

const [arch = "x64", epoch = "0", ...paths] = process.argv.slice(2);
const [released = "", root = "", packed = "", archive = ""] = paths;
const cpu = CPUS[arch as Arch];
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const created = new Date(Number(epoch) * 1000).toISOString().replace(".000", "");

rmSync(root, { recursive: true, force: true });
const libraries = makeTree(root, `${released}/reprieve`, arch as Arch);
writeDocuments(libraries);
pack(root, packed, "--xz");
writeImage();

/** Licences, and what is in the tree. */
function writeDocuments(libraries: readonly string[]): void {
  const docs = `${root}/usr/share/doc/reprieve`;
  mkdirSync(docs, { recursive: true });
  for (const file of ["LICENSE", "THIRD-PARTY"])
    copyFileSync(`${released}/${file}`, `${docs}/${file}`);
  const bom = JSON.parse(readFileSync(`${released}/sbom.cdx.json`, "utf8"));
  for (const name of new Set(libraries.map(packageOf))) {
    const copyright = `${root}/usr/share/doc/${name}`;
    mkdirSync(copyright, { recursive: true });
    copyFileSync(`/usr/share/doc/${name}/copyright`, `${copyright}/copyright`);
    bom.components.push(componentOf(name));
  }
  writeFileSync(`${docs}/sbom.cdx.json`, `${JSON.stringify(bom, null, 2)}\n`);
}

/** Debian's. */
function packageOf(file: string): string {
  return output("dpkg-query", "-S", file).split(":")[0] ?? "";
}

function componentOf(name: string) {
  const about = output("dpkg-query", "-s", name);
  const field = (field: string) => new RegExp(`^${field}: (.*)$`, "m").exec(about)?.[1] ?? "";
  const version = field("Version");
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${cpu.oci}`;
  return {
    "bom-ref": purl,
    type: "library",
    name,
    version,
    purl,
    description: `of Debian's source package ${field("Source")}`,
    licenses: [{ license: { id: "LGPL-2.1-or-later" } }],
  };
}

function writeImage(): void {
  const layout = mkdtempSync(`${archive}-`);
  const image = `${layout}/oci:${version}`;
  const layer = `${layout}/layer.tar`;
  const history = [`--history.created=${created}`, "--history.created_by=make image"];
  try {
    output("umoci", "init", "--layout", `${layout}/oci`);
    output("umoci", "new", "--image", image);
    pack(root, layer);
    output("umoci", "raw", "add-layer", "--image", image, ...history, layer);
    output("umoci", "config", "--image", image, "--no-history", ...settings());
    output("umoci", "gc", "--layout", `${layout}/oci`);
    pack(`${layout}/oci`, archive);
  } finally {
    rmSync(layout, { recursive: true });
  }
}

function settings(): string[] {
  const labels = {
    title: "reprieve",
    description:
      "Resolves a memory cgroup's OOM in user space; the kernel's killer is the net below",
    version,
    created,
    licenses: "MIT AND LGPL-2.1-or-later",
  };
  return [
    `--created=${created}`,
    "--os=linux",
    `--architecture=${cpu.oci}`,
    `--config.user=${USER}`,
    `--config.entrypoint=${ENTRYPOINT}`,
    "--config.env=PATH=/usr/bin",
    ...Object.entries(labels).map(
      ([key, is]) => `--config.label=org.opencontainers.image.${key}=${is}`,
    ),
  ];
}

function pack(dir: string, file: string, ...how: string[]): void {
  const same = ["--sort=name", "--format=gnu", `--mtime=@${epoch}`, "--mode=go=u-w"];
  const nobodys = ["--owner=0", "--group=0", "--numeric-owner"];
  output("tar", "-C", dir, ...same, ...nobodys, ...how, "-cf", file, ...readdirSync(dir).sort());
}
