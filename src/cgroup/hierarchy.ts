// SPDX-License-Identifier: MIT
/** Finds the hierarchies of this host, as mounted here: that of memory is cgroup v1's or cgroup v2's. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, exit } from "../errors.ts";
import { readIfThere } from "./files.ts";

export interface Hierarchy {
  readonly version: 1 | 2;
  /** Where its root, as far as we see it, is mounted. */
  readonly root: string;
  /** The directory of the group this process lives in; the root where that is not shown. */
  readonly own: string;
  /** It is shown: a container may have been given the groups of others only. */
  readonly showsUs: boolean;
}

/** The two files of /proc that tell. */
interface Tables {
  readonly mountinfo: string;
  readonly cgroups: string;
}

/** The v1 hierarchy of a controller. */
export function findV1(controller: string, tables: Tables = readTables()): Hierarchy | undefined {
  const [mount] = mountsOf("cgroup", tables).filter(({ options }) => options.includes(controller));
  return mount && { version: 1, ...placeOf(mount, ownPath(controller, tables.cgroups)) };
}

/** The v2 hierarchies: one tree, that may be mounted several times. */
export function findV2(tables: Tables = readTables()): Hierarchy[] {
  const own = ownPath("", tables.cgroups);
  return mountsOf("cgroup2", tables).map((mount) => ({ version: 2, ...placeOf(mount, own) }));
}

/** A controller is in one hierarchy only: on v1 where it is mounted there, else on v2 if that has it. */
export function findMemory(tables: Tables = readTables()): Hierarchy | undefined {
  const hasMemory = ({ root }: Hierarchy) =>
    wordsOf(readIfThere(join(root, "cgroup.controllers"))).includes("memory");
  return findV1("memory", tables) ?? findV2(tables).find(hasMemory);
}

/** The memory hierarchy, or the sentence that says what is missing. */
export function requireMemory(): Hierarchy {
  const memory = findMemory();
  if (memory !== undefined) return memory;
  throw new CliError(
    exit.host,
    "no memory hierarchy is mounted here: mount -t cgroup2 none /sys/fs/cgroup, or for cgroup v1 " +
      "mount -t cgroup -o memory none /sys/fs/cgroup/memory (reprieve doctor tells more)",
  );
}

/** The memory group of the process whose /proc/PID/cgroup that is. */
export function groupIn(cgroups: string): string | undefined {
  return findMemory({ ...readTables(), cgroups })?.own;
}

/** Of a list with spaces, as in cgroup.controllers. */
export function wordsOf(text = ""): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** The error for what could not be done in a hierarchy, with the remedy that goes with the errno. */
export function refusal(cannot: string, errno: string, root: string): CliError {
  if (errno === "EROFS") {
    const remedy = `it is mounted read-only, mount -o remount,rw ${root}`;
    return new CliError(exit.host, `${cannot}: ${remedy}`);
  }
  const remedy = "run as root, or in a group that is yours";
  return new CliError(exit.notPermitted, `${cannot} (${errno}): ${remedy}`);
}

// --- internal ---

interface Mount {
  /** What of the tree it shows. */
  readonly shown: string;
  readonly root: string;
  readonly options: readonly string[];
}

function readTables(): Tables {
  return {
    mountinfo: readFileSync("/proc/self/mountinfo", "utf8"),
    cgroups: readFileSync("/proc/self/cgroup", "utf8"),
  };
}

function mountsOf(type: string, { mountinfo }: Tables): Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [mount = "", superblock = ""] = line.split(" - ");
    const [is, , options = ""] = superblock.split(" ");
    const [, , , shown = "/", escaped = ""] = mount.split(" ");
    return is === type
      ? [{ shown, root: unescapeMount(escaped), options: options.split(",") }]
      : [];
  });
}

/** In a container without a cgroup namespace the mount shows a part of the tree only; with one it may show what is above that, "/..". */
function placeOf({ shown, root }: Mount, path: string) {
  const part = shown === "/" ? "" : shown;
  const showsUs = `${path}/`.startsWith(`${part}/`) && !path.startsWith("/..");
  const own = showsUs ? join(root, path.slice(part.length)) : root;
  return { root, own: own.replace(/\/+$/, ""), showsUs };
}

/** /proc/self/cgroup: "4:memory:/path"; that of v2 has no controller: "0::/path". */
function ownPath(controller: string, cgroups: string): string {
  for (const line of cgroups.split("\n")) {
    const [, controllers = "-", ...path] = line.split(":");
    if (controllers.split(",").includes(controller)) return path.join(":");
  }
  return "/";
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
