// SPDX-License-Identifier: MIT
/** Where reprieve finds the memory hierarchy and a place for its groups: not only as root at the top of it. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { endsAsUser } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { binary, memoryRoot, programOf } from "../helpers/paths.ts";
import { type Ended, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2, program } from "../helpers/require.ts";
import { until } from "../helpers/wait.ts";

const RUN = ["run", "--limit", "48M", "--listen", "none", "--", "true"];
const NOT_PERMITTED = 77;
const needs = [program("unshare", "util-linux"), program("setpriv", "util-linux")];

afterEach(cleanUp);

/** As in a container: a cgroup namespace whose root is `group`, its processes in that or in the child `place`. */
async function inNamespace(group: Group, place: string): Promise<Ended> {
  const mount = `umount -l ${memoryRoot} && mount -t cgroup2 none ${memoryRoot}`;
  const move = `echo 0 > ${group.path}${place}/cgroup.procs`;
  const inner = `${move} && ${mount} && exec "$@"`;
  const outer = `echo 0 > ${group.path}/cgroup.procs && exec ${programOf("unshare")} -C -m sh -c '${inner}' sh "$@"`;
  return Reprieve.ends(RUN, { command: ["sh", "-c", outer, "sh", binary] });
}

describeWith("places", [...kernelTest, ...needs], () => {
  test("a user makes them in a group that is delegated to him", async () => {
    const group = new Group("delegated");
    const ended = await endsAsUser(RUN, group);
    expect(ended.code).toBe(0);
    expect(readdirSync(group.path).filter((name) => name.startsWith("reprieve-"))).toEqual([]);
    await group.destroy();
  });

  test("a limit of ours that is too small is told with the group whose it is", async () => {
    const above = new Group("small");
    const ours = above.child("ours", 256 * MB);
    above.write(memory.limitFile, "79M");
    const inGroup = ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"'];
    const startedIn = ({ path }: Group) =>
      Reprieve.ends(RUN, { command: [...inGroup, path, binary] });
    const below = await startedIn(ours);
    expect(below.code).toBe(exit.host);
    const more = `in which we are, in ${ours.path}, ourselves, has a limit of 79.0 MiB`;
    expect(below.err).toContain(`reprieve: ${above.path}, ${more}`);
    above.write(memory.limitFile, memory.noLimit);
    ours.write(memory.limitFile, "79M");
    const own = `reprieve: ${ours.path}, in which we are ourselves, has a limit of 79.0 MiB`;
    expect((await startedIn(ours)).err).toContain(own);
    await above.destroy();
  });

  test("so does one who is root in a user namespace of his own, as in a rootless container", async () => {
    const group = new Group("delegated");
    const itsRun = ["sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"];
    const ended = await endsAsUser(RUN, group, [programOf("unshare"), "-Urm", ...itsRun]);
    expect(ended.err).not.toContain("cannot make");
    expect(ended.code).toBe(0);
    expect(readdirSync(group.path).filter((name) => name.startsWith("reprieve-"))).toEqual([]);
    await group.destroy();
  });

  test("a user's agent that is killed leaves none there", async () => {
    const group = new Group("delegated");
    const ours = () => readdirSync(group.path).filter((name) => name.startsWith("reprieve-"));
    await endsAsUser([...RUN.slice(0, -1), "sh", "-c", "kill -KILL $PPID"], group);
    await until("its groups to go", () => ours().length === 0).catch(() => {
      throw new Error(`Left behind: ${ours().join(" ")}`);
    });
    await group.destroy();
  });

  const namespaced = onlyOnV2("a cgroup namespace of v1 is as the host is to it");

  namespaced("in a container whose processes live below its root", async () => {
    const group = new Group("container");
    const child = group.child("init");
    expect((await inNamespace(group, "/init")).code).toBe(0);
    expect(existsSync(child.path)).toBe(true);
    expect(readdirSync(group.path).filter((name) => name.startsWith("reprieve-"))).toEqual([]);
    await group.destroy();
  });

  namespaced("not in one whose processes live in its root: says what to do", async () => {
    const group = new Group("container");
    const ended = await inNamespace(group, "");
    expect(ended.err).toContain(`processes live in ${memoryRoot} itself: move them to a group`);
    expect(ended.code).toBe(NOT_PERMITTED);
    await group.destroy();
  });
});
