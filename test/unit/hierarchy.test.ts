// SPDX-License-Identifier: MIT
import { afterAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { findMemory, findV1, findV2 } from "../../src/cgroup/hierarchy.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";

const V1_MOUNTS = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu\\040set rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw`;

const v1 = (controller: string, cgroups: string, mountinfo = V1_MOUNTS) =>
  findV1(controller, { mountinfo, cgroups });

describe("findV1()", () => {
  test("joins the mount and our own group", () => {
    expect(v1("memory", "4:memory:/user/1\n0::/\n")).toEqual({
      version: 1,
      root: "/sys/fs/cgroup/memory",
      own: "/sys/fs/cgroup/memory/user/1",
      showsUs: true,
    });
  });

  test("unescapes the mount point and finds a controller among several", () => {
    expect(v1("cpuacct", "2:cpu,cpuacct:/\n")).toEqual({
      version: 1,
      root: "/sys/fs/cgroup/cpu set",
      own: "/sys/fs/cgroup/cpu set",
      showsUs: true,
    });
  });

  test("cuts off what a container's mount does not show", () => {
    const mounts = V1_MOUNTS.replace("0:32 / ", "0:32 /docker/abc ");
    expect(v1("memory", "4:memory:/docker/abc/x\n", mounts)?.own).toBe("/sys/fs/cgroup/memory/x");
    expect(v1("memory", "4:memory:/docker/abc\n", mounts)?.own).toBe("/sys/fs/cgroup/memory");
  });

  test("keeps to the mount when we live outside of its namespace", () => {
    const outside = { root: "/sys/fs/cgroup/memory", own: "/sys/fs/cgroup/memory", showsUs: false };
    expect(v1("memory", "4:memory:/../other\n")).toMatchObject(outside);
  });

  test("keeps a colon in a group's name", () => {
    expect(v1("memory", "4:memory:/a:b\n")?.own).toBe("/sys/fs/cgroup/memory/a:b");
  });

  test("takes no cgroup v2 for v1", () => {
    expect(v1("freezer", "0::/\n")).toBeUndefined();
  });
});

describe("findV2()", () => {
  const mount = (shown: string, at = "/sys/fs/cgroup") =>
    `28 23 0:25 ${shown} ${at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate`;
  const v2 = (mountinfo: string, cgroups: string) => findV2({ mountinfo, cgroups });

  test("joins the mount and our own group", () => {
    expect(v2(mount("/"), "0::/user.slice/a:b.scope\n")).toEqual([
      {
        version: 2,
        root: "/sys/fs/cgroup",
        own: "/sys/fs/cgroup/user.slice/a:b.scope",
        showsUs: true,
      },
    ]);
  });

  test("in a cgroup namespace of its own a container lives in the root that it sees", () => {
    expect(v2(mount("/"), "0::/\n")).toEqual([
      { version: 2, root: "/sys/fs/cgroup", own: "/sys/fs/cgroup", showsUs: true },
    ]);
  });

  test("without one it sees a part of the tree", () => {
    const own = "0::/system.slice/docker-4f5e.scope/inner\n";
    expect(v2(mount("/system.slice/docker-4f5e.scope"), own)[0]?.own).toBe("/sys/fs/cgroup/inner");
  });

  test("a mount of another namespace shows nothing of us", () => {
    const outside = { own: "/sys/fs/cgroup", showsUs: false };
    expect(v2(mount("/../.."), "0::/a\n")[0]).toMatchObject(outside);
  });

  test("nor does a mount of somebody else's groups, whatever they are called", () => {
    const found = v2(mount("/pods/a"), "0::/pods/ab/sidecar\n")[0];
    expect(found).toMatchObject({ own: "/sys/fs/cgroup", showsUs: false });
  });

  test("its line of /proc/self/cgroup is the one without a controller", () => {
    const cgroups = "4:memory:/four\n1:name=systemd:/one\n0::/zero\n";
    expect(v2(V1_MOUNTS, cgroups)[0]?.own).toBe("/sys/fs/cgroup/unified/zero");
  });
});

describe("findMemory()", () => {
  const folder = makeFolder("test");
  afterAll(() => removeFolder(folder));
  const mountinfo = `28 23 0:25 / ${folder} rw - cgroup2 cgroup2 rw`;
  const controllers = (text: string) => writeFileSync(`${folder}/cgroup.controllers`, text);

  test("memory is v1's where it is mounted there, also on a hybrid host", () => {
    controllers("");
    const tables = { mountinfo: `${V1_MOUNTS}\n${mountinfo}`, cgroups: "4:memory:/x\n0::/y\n" };
    expect(findMemory(tables)).toMatchObject({ version: 1, own: "/sys/fs/cgroup/memory/x" });
  });

  test("else v2's, if that has the controller", () => {
    const tables = { mountinfo, cgroups: "0::/y\n" };
    controllers("cpu memory pids\n");
    expect(findMemory(tables)).toEqual({
      version: 2,
      root: folder,
      own: `${folder}/y`,
      showsUs: true,
    });
    controllers("cpu memory_like\n");
    expect(findMemory(tables)).toBeUndefined();
  });
});
