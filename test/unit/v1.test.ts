// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { findHierarchy, treesOf } from "../../src/cgroup/v1.ts";

const MOUNTS = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu\\040set rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`;

describe("findHierarchy()", () => {
  test("joins the mount and our own group", () => {
    expect(findHierarchy("memory", MOUNTS, "4:memory:/user/1\n0::/\n")).toEqual({
      root: "/sys/fs/cgroup/memory",
      own: "/sys/fs/cgroup/memory/user/1",
    });
  });

  test("unescapes the mount point and finds a controller among several", () => {
    expect(findHierarchy("cpuacct", MOUNTS, "2:cpu,cpuacct:/\n")).toEqual({
      root: "/sys/fs/cgroup/cpu set",
      own: "/sys/fs/cgroup/cpu set",
    });
  });

  test("cuts off what a container's mount does not show", () => {
    const mounts = MOUNTS.replace("0:32 / ", "0:32 /docker/abc ");
    expect(findHierarchy("memory", mounts, "4:memory:/docker/abc/x\n")?.own).toBe(
      "/sys/fs/cgroup/memory/x",
    );
    expect(findHierarchy("memory", mounts, "4:memory:/docker/abc\n")?.own).toBe(
      "/sys/fs/cgroup/memory",
    );
  });

  test("keeps to the mount when we live outside of its namespace", () => {
    expect(findHierarchy("memory", MOUNTS, "4:memory:/../other\n")?.own).toBe(
      "/sys/fs/cgroup/memory",
    );
  });

  test("keeps a colon in a group's name", () => {
    expect(findHierarchy("memory", MOUNTS, "4:memory:/a:b\n")?.own).toBe(
      "/sys/fs/cgroup/memory/a:b",
    );
  });

  test("takes no cgroup v2 for v1", () => {
    expect(findHierarchy("freezer", MOUNTS, "0::/\n")).toBeUndefined();
  });
});

test("treesOf() names the outermost guarded group above each", () => {
  expect(treesOf(["/m/a/b/c", "/m/a", "/m/ab", "/m/a/b", "/m/x/y"])).toEqual([1, 1, 2, 1, 4]);
});
