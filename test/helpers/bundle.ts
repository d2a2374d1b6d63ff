// SPDX-License-Identifier: MIT
/**
 * An OCI bundle for runc, and the container that runs from it: the root is the tree of our image (`make image`), around the binary
 * under test, and fixtures that can be run there. The files, 118 MB, are there once for all bundles of a test, which link to them.
 */
import { copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeTree } from "../../src/release/tree.ts";
import { fixture } from "./build.ts";
import { makeFolder, removeFolder } from "./folder.ts";
import { binary } from "./paths.ts";
import { Reprieve } from "./reprieve.ts";
import { inVm } from "./require.ts";

/** The VM's clock goes on while its disk is waited for (vm/job), and reprieve has its own text read again. */
const FOLDER = inVm() === null ? "/dev/shm" : "/var/tmp";

const living = new Set<Bundle>();
let tree: string | undefined;

/** For afterEach: the containers end, and nothing of them is left on the disk. */
export function removeBundles(): void {
  for (const bundle of [...living].reverse()) bundle.remove();
  forgetTree();
}

/** The next bundle has files of its own, that are in nobody's memory. */
export function forgetTree(): void {
  if (tree !== undefined) removeFolder(tree);
  tree = undefined;
}

export class Bundle {
  readonly path = makeFolder("test-bundle", FOLDER);
  /** The container's. */
  readonly name: string;

  constructor(name: string, config: { readonly mounts: readonly { destination: string }[] }) {
    this.name = name;
    living.add(this);
    linkAll(theTree(), this.root);
    // What lies in a tmpfs of the container's is made there by runc.
    for (const { destination } of config.mounts)
      if (!destination.startsWith("/dev/")) mkdirSync(this.root + destination, { recursive: true });
    writeFileSync(`${this.path}/config.json`, JSON.stringify(config));
  }

  get root(): string {
    return `${this.path}/rootfs`;
  }

  /** `wrapper`: a program and its arguments through which runc is started. */
  start(wrapper: readonly string[] = []): Reprieve {
    const command = [...wrapper, "runc", "run", "--bundle", this.path, this.name];
    return Reprieve.start([], { command });
  }

  /** Its container too; what is gone may go again. */
  remove(): void {
    Bun.spawnSync(["runc", "delete", "--force", this.name]);
    removeFolder(this.path);
    living.delete(this);
  }
}

// --- internal ---

function theTree(): string {
  if (tree !== undefined) return tree;
  tree = makeFolder("test-tree", FOLDER);
  makeTree(tree, binary, process.arch as "x64" | "arm64");
  for (const name of ["app", "workload"]) copyFileSync(fixture(name), `${tree}/${name}`);
  return tree;
}

function linkAll(from: string, to: string): void {
  for (const name of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const file = `${name.parentPath}/${name.name}`;
    const link = to + file.slice(from.length);
    mkdirSync(dirname(link), { recursive: true });
    linkSync(file, link);
  }
}
