// SPDX-License-Identifier: MIT
/** By files of text in the place of a kernel's. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { v2 } from "../../src/cgroup/v2.ts";
import { isSmallPlace } from "../../src/cli/own-group.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";

let root: string;

/** A group with what it says. */
function group(path: string, files: Record<string, string>): string {
  mkdirSync(`${root}/${path}`, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(`${root}/${path}/${file}`, text);
  }
  return path === "" ? root : `${root}/${path}`;
}

const inner = (controllers: string, handed: string, type = "domain\n") => ({
  "cgroup.type": type,
  "cgroup.controllers": controllers,
  "cgroup.subtree_control": handed,
  "cgroup.procs": "",
});

const limits = (max: string, high: string) => ({
  "cgroup.type": "domain\n",
  "memory.max": `${max}\n`,
  "memory.high": `${high}\n`,
});

beforeEach(() => {
  root = makeFolder("test");
});
afterEach(() => removeFolder(root));

describe("which groups can be guarded", () => {
  test("one with the controller", () => {
    expect(v2.whyNoGuard(group("a", limits("max", "max")))).toBeUndefined();
  });

  test("none that is threaded, or below such a one", () => {
    for (const type of ["threaded", "domain invalid"]) {
      const path = group("a", { ...limits("1", "max"), "cgroup.type": `${type}\n` });
      expect(v2.whyNoGuard(path)).toContain(`it is ${type}: `);
    }
  });

  test("none without the controller: how to enable it", () => {
    const path = group("a", { "cgroup.type": "domain\n" });
    expect(v2.whyNoGuard(path)).toContain(`echo +memory > ${root}/cgroup.subtree_control`);
  });
});

test("no handler lives in a group that hands controllers down", () => {
  expect(v2.whyNotInside(group("a", { "cgroup.subtree_control": "\n" }))).toBeUndefined();
  const path = group("b", { "cgroup.subtree_control": "cpu memory\n" });
  expect(v2.whyNotInside(path)).toContain("hands cpu memory down");
});

describe("limits", () => {
  test("memory.max, or where that is none memory.high", () => {
    expect(v2.limitOf(group("a", limits("67108864", "max")))).toBe(67108864);
    expect(v2.limitOf(group("a", limits("67108864", "33554432")))).toBe(67108864);
    expect(v2.limitOf(group("a", limits("max", "33554432")))).toBe(33554432);
    expect(v2.limitOf(group("a", limits("max", "max")))).toBeUndefined();
    expect(v2.limitOf(group("a", limits("0", "max")))).toBe(0);
  });

  test("makes swap no more of it, where there is swap accounting", () => {
    const path = group("a", { ...limits("max", "max"), "memory.swap.max": "max\n" });
    v2.setLimit(path, 4096);
    expect(readFileSync(`${path}/memory.max`, "utf8")).toBe("4096");
    expect(readFileSync(`${path}/memory.swap.max`, "utf8")).toBe("0");
  });

  test("ours are those of all above us too, as of a container whose process 1 has moved", () => {
    group("", {});
    const pod = group("pod", limits("104857600", "max"));
    const own = group("pod/reprieve-agent", limits("max", "max"));
    const place = (at: string, showsUs: boolean) =>
      ({ version: 2, root: at, own, showsUs }) as const;
    expect(isSmallPlace(place(root, true))).toBe(true);
    expect(isSmallPlace(place(pod, true))).toBe(true); // a container's root has a limit
    expect(isSmallPlace(place(own, true))).toBe(false);
    expect(isSmallPlace(place(own, false))).toBe(true);
  });

  test("the room is that of the fullest group above us", () => {
    group("", {});
    group("a", { "memory.max": "1000\n", "memory.current": "400\n" });
    const own = group("a/b", { "memory.max": "900\n", "memory.current": "100\n" });
    expect(v2.roomOf({ version: 2, root, own, showsUs: true })).toBe(600);
    expect(v2.roomOf({ version: 2, root, own: root, showsUs: true })).toBe(
      Number.POSITIVE_INFINITY,
    );
    writeFileSync(`${root}/a/memory.stat`, "anon 100\ninactive_file 90\nactive_file 210\n");
    expect(v2.roomOf({ version: 2, root, own, showsUs: true })).toBe(690);
  });
});

describe("where our groups are made", () => {
  const home = (own: string) =>
    v2.homeOf({ version: 2, root, own: `${root}/${own}`, showsUs: true });
  /** The root of all has no cgroup.type; a container's has one. */
  const asContainer = (files: Record<string, string>) => group("", files);

  test("at the root, where it hands memory down or can", () => {
    const { "cgroup.type": _, ...rootOfAll } = inner("memory\n", "memory\n");
    asContainer({ ...rootOfAll, "cgroup.procs": "1\n" });
    expect(home("")).toBe(root);
    asContainer({ "cgroup.subtree_control": "" });
    expect(home("")).toBe(root);
  });

  test("at the nearest group above our own that can", () => {
    asContainer({ ...inner("memory\n", "memory\n"), "cgroup.subtree_control": "cpu\n" });
    writeFileSync(`${root}/cgroup.procs`, "1\n");
    group("a", inner("cpu memory\n", "memory\n"));
    group("a/b", inner("cpu memory\n", ""));
    group("a/b/c", inner("cpu memory\n", ""));
    expect(home("a/b/c")).toBe(`${root}/a/b`);
    writeFileSync(`${root}/a/b/cgroup.procs`, "7\n");
    expect(home("a/b/c")).toBe(`${root}/a`);
  });

  test("nowhere in a container whose processes live in its root: what to do", () => {
    asContainer({ ...inner("cpu memory\n", ""), "cgroup.procs": "1\n0\n" });
    expect(home("")).toBeUndefined();
    const why = v2.whyNoHome({ version: 2, root, own: root, showsUs: true });
    expect(why).toContain(`processes live in ${root} itself: move them to a group below it`);
  });

  test("nowhere without the controller", () => {
    asContainer(inner("cpu\n", ""));
    expect(home("")).toBeUndefined();
    expect(v2.whyNoHome({ version: 2, root, own: root, showsUs: true })).toContain(
      "not handed down",
    );
  });

  test("has memory handed down before a group is made", () => {
    asContainer(inner("memory\n", ""));
    v2.prepareParent(root);
    expect(readFileSync(`${root}/cgroup.subtree_control`, "utf8")).toBe("+memory");
  });
});
