// SPDX-License-Identifier: MIT
/**
 * The VM's disk: busybox, systemd, the programs that tests call with the libraries they name, bun, and of this repository
 * what tests import and run. One ext4 file, which every boot sees as it was built (what a boot writes is dropped).
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { fixture } from "../helpers/build.ts";
import { fixtures, repository } from "../helpers/paths.ts";
import { busybox, killers, need, oomd, run, systemd } from "./packages.ts";
import { vmBuilt } from "./paths.ts";

/** Where busybox has another form or none; those that are not installed here are not there either. */
const PROGRAMS =
  "bash head tail setpriv unshare mount chrt prlimit script pgrep nm readelf strace runc tmux openssl prometheus promtool".split(
    " ",
  );
/** Without these tmux and openssl do nothing. */
const DATA = ["/usr/lib/locale/C.utf8/LC_CTYPE", "/usr/lib/ssl/openssl.cnf"];
const FOLDERS = "bin usr/bin etc root proc sys dev tmp run mnt var/tmp reprieve".split(" ");
const REPOSITORY = ["src", "native", "test", "package.json", "bunfig.toml", "tsconfig.json"];
const BENCH = "dist/build/bench"; // there where `make bench` has been, and then what it runs is there too
const BUILT = [
  ...[
    "dist/reprieve",
    "dist/docs",
    "README.md",
    "dist/examples",
    "dist/kubernetes",
    "dist/prometheus",
    "dist/grafana",
    "dist/asyncapi.json",
    "dist/openapi.json",
    "dist/build/page.html",
    "dist/build/core",
    "dist/build/core.so",
  ],
  ...["dist/build/test", BENCH],
];
/** What tests import, of the product too, and what that imports. */
const MODULES = [
  ...["commander", "fast-check", "hono", "pure-rand", "valibot", "ws"],
  ...["long", "protobufjs"],
  ...["@opentelemetry/api", "bintrees", "prom-client", "tdigest"],
];
const ROOM_MB = 512; // for what a boot writes: copies of the binary, of 110 MB

const image = `${vmBuilt}/root.ext4`;
const root = `${vmBuilt}/root`;

/** Its path; built when anything in it is newer or other than at the last time. */
export function disk(): string {
  for (const file of readdirSync(fixtures)) {
    if (file.endsWith(".c")) fixture(basename(file, ".c"));
  }
  fixture("handler", `${repository}/native/examples`);
  const built = BUILT.filter((path) => existsSync(`${repository}/${path}`)); // the bench's may not be
  const parts = [...REPOSITORY, ...built, ...MODULES.map((name) => `node_modules/${name}`)];
  const programs = PROGRAMS.map((name) => Bun.which(name)).filter((path) => path !== null);
  const data = DATA.filter((path) => existsSync(path));
  const trees = [systemd(), killers(), ...(built.includes(BENCH) ? [oomd()] : [])];
  const state = fingerprint([
    ...parts.map((part) => `${repository}/${part}`),
    ...programs,
    ...data,
    busybox(),
    ...trees,
  ]);
  const stateFile = `${vmBuilt}/root.state`;
  const last = existsSync(stateFile) ? readFileSync(stateFile, "utf8") : "";
  if (state === last && existsSync(image)) return image;
  rmSync(stateFile, { force: true });
  stage(parts, programs, data, trees);
  make();
  rmSync(root, { recursive: true });
  writeFileSync(stateFile, state);
  return image;
}

function stage(
  parts: readonly string[],
  programs: readonly string[],
  data: readonly string[],
  trees: readonly string[],
): void {
  rmSync(root, { recursive: true, force: true });
  for (const path of FOLDERS) mkdirSync(`${root}/${path}`, { recursive: true });
  chmodSync(`${root}/var/tmp`, 0o1777);
  const [rootUser, oomdUser] = ["root:x:0:0:root:/root:/bin/sh\n", "systemd-oom:x:999:999::/:\n"];
  writeFileSync(`${root}/etc/passwd`, rootUser + oomdUser);
  writeFileSync(`${root}/etc/group`, "root:x:0:\nsystemd-oom:x:999:\n");
  copyFileSync(busybox(), `${root}/bin/busybox`);
  for (const applet of run([busybox(), "--list"]).trim().split("\n")) {
    if (applet !== "busybox") run(["ln", "-s", "busybox", `${root}/bin/${applet}`]);
  }
  for (const path of programs) install(path, `/usr/bin/${basename(path)}`);
  for (const path of data) {
    mkdirSync(dirname(root + path), { recursive: true });
    copyFileSync(path, root + path);
  }
  install(realpathSync(process.execPath), "/usr/bin/bun");
  // The real one is for /bin/bash.
  const ldd = '#!/bin/sh\nexec /lib64/ld-linux-x86-64.so.2 --list "$1"\n';
  writeFileSync(`${root}/usr/bin/ldd`, ldd, { mode: 0o755 });
  // Where Debian has it too, and the tree of our image takes it from.
  const linker = "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
  copyFileSync(linker, root + linker);
  for (const name of ["init", "job"]) copyFileSync(`${import.meta.dir}/${name}`, `${root}/${name}`);
  for (const tree of trees) run(["cp", "-a", "--remove-destination", `${tree}/.`, root]);
  trimSystemd();
  run(["cp", "-a", "--parents", ...parts, `${root}/reprieve`], repository);
  for (const built of filesOf(`${root}/reprieve/dist`)) installLibraries(built);
}

/** Of the units that came with it none starts by itself: the job needs no more than sysinit.target. */
function trimSystemd(): void {
  const units = `${root}/lib/systemd/system`;
  for (const name of readdirSync(units)) {
    if (name.endsWith(".wants")) rmSync(`${units}/${name}`, { recursive: true });
  }
  rmSync(`${root}/lib/systemd/system-generators`, { recursive: true });
  // Without it systemd takes the boot for the first one, and enables whatever is there.
  writeFileSync(`${root}/etc/machine-id`, "");
  copyFileSync(`${import.meta.dir}/job.service`, `${units}/job.service`);
  // Of a boot as any host's (machine.ts: reboots).
  const wanted = `${root}/etc/systemd/system/multi-user.target.wants`;
  mkdirSync(wanted, { recursive: true });
  symlinkSync("/lib/systemd/system/job.service", `${wanted}/job.service`);
}

function install(from: string, to: string): void {
  copyFileSync(from, root + to);
  installLibraries(from);
}

/** Where the dynamic linker looks for them, at the paths it named here. */
function installLibraries(program: string): void {
  const listed = Bun.spawnSync(["ldd", program]).stdout.toString();
  for (const [, library = ""] of listed.matchAll(/(\/\S+) \(0x/g)) {
    if (existsSync(root + library)) continue;
    mkdirSync(dirname(root + library), { recursive: true });
    copyFileSync(library, root + library);
  }
}

function make(): void {
  const usedMb = filesOf(root).reduce((sum, path) => sum + statSync(path).size, 0) >> 20;
  rmSync(image, { force: true });
  need("mke2fs", "e2fsprogs");
  run([
    "mke2fs",
    "-q",
    "-t",
    "ext4",
    "-E",
    "root_owner=0:0",
    "-d",
    root,
    image,
    `${usedMb + ROOM_MB}M`,
  ]);
}

function fingerprint(paths: readonly string[]): string {
  const line = (path: string) => {
    const { mtimeMs, size, mode } = statSync(path);
    return `${path} ${size} ${mtimeMs} ${mode}\n`;
  };
  return paths
    .flatMap((path) => filesOf(path))
    .map(line)
    .join("");
}

/** All below a folder, or the file itself. */
function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const below = readdirSync(path, { recursive: true, withFileTypes: true });
  return below
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}
