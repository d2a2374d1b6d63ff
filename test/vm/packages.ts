// SPDX-License-Identifier: MIT
/** Debian packages, downloaded by name and unpacked beside the other built files: nothing is installed here. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { vmBuilt } from "./paths.ts";

const METAPACKAGE = "linux-image-cloud-amd64";

/** systemd with the libraries that its programs are linked with, but for the C library. */
const SYSTEMD = `systemd libsystemd-shared libacl1 libapparmor1 libaudit1 libblkid1 libcap-ng0 libcap2 libcrypt1
  libgcrypt20 libgpg-error0 libip4tc2 libkmod2 liblz4-1 liblzma5 libmount1 libpam0g libpcre2-8-0 libseccomp2 libselinux1
  libssl3 libzstd1`;

/** Others that kill for want of memory, linked with nothing but systemd's. */
const KILLERS = ["systemd-oomd", "earlyoom"];

/** For the bench: Meta's, with what it is linked with and systemd's tree has not. */
const OOMD = ["oomd", "libjsoncpp25", "libstdc++6", "libgcc-s1", "libsystemd0"];

/** The newest kernel of the archive; that which is there already stays until dist/build/vm is removed. */
export function kernel(): string {
  const unpacked = unpack("kernel", () => [kernelPackage()]);
  const image = readdirSync(`${unpacked}/boot`).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined)
    throw new Error(`${unpacked}/boot holds no vmlinuz-*: remove ${unpacked}`);
  return `${unpacked}/boot/${image}`;
}

export function busybox(): string {
  return `${unpack("busybox", () => ["busybox-static"])}/bin/busybox`;
}

/** A tree to be laid over another one. */
export function systemd(): string {
  return unpack("systemd", () => SYSTEMD.split(/\s+/));
}

/** Trees like systemd's. */
export function killers(): string {
  return unpack("killers", () => KILLERS);
}

export function oomd(): string {
  return unpack("oomd", () => OOMD);
}

/** The folder of the unpacked packages. */
function unpack(name: string, packagesOf: () => readonly string[]): string {
  const folder = `${vmBuilt}/${name}`;
  if (existsSync(folder)) return folder;
  const fetched = `${folder}.new`;
  rmSync(fetched, { recursive: true, force: true });
  mkdirSync(fetched, { recursive: true });
  refreshLists();
  // As root: apt's own user may not be able to write there.
  run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", ...packagesOf()], fetched);
  for (const archive of readdirSync(fetched)) {
    run(["dpkg-deb", "-x", archive, "."], fetched);
    rmSync(`${fetched}/${archive}`);
  }
  renameSync(fetched, folder);
  return folder;
}

/** What the metapackage depends on. */
function kernelPackage(): string {
  const shown = run(["apt-cache", "--no-all-versions", "show", METAPACKAGE]);
  const found = /^Depends:.*?(linux-image-[0-9]\S*)/m.exec(shown)?.[1];
  if (found === undefined) throw new Error(`${METAPACKAGE} names no kernel: ${shown}`);
  return found;
}

/** A new machine has no lists of packages; one whose lists are old may name files that are gone. */
function refreshLists(): void {
  if (process.getuid?.() === 0) run(["apt-get", "-q", "update"]);
}

export function need(program: string, packageName: string): void {
  if (Bun.which(program) !== null) return;
  throw new Error(`${program} is not installed: apt install ${packageName}`);
}

export function run(command: readonly string[], cwd = vmBuilt): string {
  const ended = Bun.spawnSync([...command], { cwd, stderr: "pipe" });
  if (!ended.success) throw new Error(`${command.join(" ")}: ${ended.stderr}`);
  return ended.stdout.toString();
}
