// SPDX-License-Identifier: MIT
/**
 * What is wrong is said in a sentence that names it, with the documented exit code, and nothing
 * is changed.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { endsAsUser } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, MB } from "../helpers/group.ts";
import { binary, memoryRoot } from "../helpers/paths.ts";
import { type Ended, Reprieve } from "../helpers/reprieve.ts";
import {
  describeWith,
  kernelTest,
  onlyOnV1,
  onlyOnV2,
  program,
  renaming,
} from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const exit = {
  usage: 64,
  noGroup: 66,
  host: 69,
  inUse: 75,
  notPermitted: 77,
  unsafe: 78,
} as const;

afterEach(cleanUp);

/** One sentence on stderr that names the thing; no stack trace; nothing on stdout. */
function expectRefusal(ended: Ended, code: number, names: RegExp): void {
  expect(ended.err).toMatch(names);
  expect(ended.code).toBe(code);
  expect(ended.err).not.toMatch(/\bat .*:\d+:\d+|\$bunfs/);
  expect(ended.out).toBe("");
}

const CMD = ["--", "true"];

const wrongFlags: readonly [args: readonly string[], names: RegExp][] = [
  [["run", "--limit", "lots", ...CMD], /--limit.*lots/s],
  [["run", "--limit", "0", ...CMD], /--limit/],
  [["run", "--limit", "-64M", ...CMD], /--limit/],
  [["run", "--limit", "64Q", ...CMD], /--limit.*64Q/s],
  [["run", "--limit", "1e30G", ...CMD], /--limit/],
  [["run", "--limit"], /--limit/],
  [["run", "--delay", "soon", ...CMD], /--delay.*soon/s],
  [["run", "--delay", "-1ms", ...CMD], /--delay/],
  [["run", "--delay", "11m", ...CMD], /--delay.*11m/s],
  [["run", "--when", "after", ...CMD], /--when.*at-oom, or before/s],
  [["run", "--when", "before", "--delay", "0", ...CMD], /before the limit takes a delay/],
  [["run", "--when", "before", "--handler-command", "true", ...CMD], /only reprieve's own acts/],
  [["run", "--prefer", "java", ...CMD], /--prefer.*name=/s],
  [["run", "--avoid", "name=a,weight=2", ...CMD], /--avoid.*below 1/s],
  [["run", "--order", "terminate=1h", ...CMD], /--order.*SIGTERM to SIGKILL/s],
  [["run", "--order", "terminate=1s", ...CMD], /the orders may take/],
  [["run", "--order", "kill=oldest", ...CMD], /--order.*=newest/s],
  [["run", "--margin", "thin", ...CMD], /--margin.*thin/s],
  [["run", "--name", "a/b", ...CMD], /--name.*a\/b/s],
  [["run", "--name", "", ...CMD], /--name/],
  [["run", "--name", "n".repeat(65), ...CMD], /--name/],
  [["run", "--listen", "nowhere", ...CMD], /--listen.*nowhere/s],
  [["run", "--listen", "127.0.0.1:99999", ...CMD], /--listen.*99999/s],
  [["run", "--handler", "sideways", ...CMD], /--handler.*sideways/s],
  [
    ["run", "--handler-socket", "/run/x.sock", ...CMD],
    /--handler-socket goes with --handler desig/,
  ],
  [["run", "--handler-mode", "0600", ...CMD], /--handler-mode goes with --handler designated/],
  [["run", "--handler", "designated", "--handler-mode", "9", ...CMD], /--handler-mode.*octal/s],
  [
    ["run", "--handler", "designated", "--handler-socket", "x", ...CMD],
    /--handler-socket.*absolute/s,
  ],
  [["run", "--handler", "inside", "--handler-command", "true", ...CMD], /--handler-command/],
  [["run", "--handler", "designated", "--cgroup", "x"], /--allow-kill/],
  [["handle"], /--guard/],
  [["run", "--dealy", "1s", ...CMD], /--dealy.*--delay/s],
  [["run"], /CMD|--cgroup/],
  [["run", "--"], /CMD|--cgroup/],
  [["run", "--cgroup", "x", ...CMD], /--cgroup/],
  [["run", "--allow-kill", ...CMD], /--allow-kill goes with --cgroup/],
  [["run", "--cgroup", "x", "--allow-kill=x"], /a group's path begins with \//],
  [["run", "--cgroup", "x", "--deny-hooks=x"], /a program is named by its path/],
  [["run", "--name", "helpers-1", ...CMD], /--name.*helpers-/s],
  [["run", "--delay", "0.5ms", ...CMD], /--delay.*at least 1ms/s],
  [["guard"], /guard/],
  [["chekc"], /chekc.*Did you mean check/s],
  [["check", "--efective"], /--efective.*--effective/s],
  [["check", "a", "b"], /argument/],
  [["run", "--config"], /--config/],
  [["release", "everything"], /everything|argument/],
  [["release", "--force"], /--force goes with --all/],
  [["doctor", "--loud"], /--loud/],
];

describeWith("bad flags", kernelTest, () => {
  for (const [args, names] of wrongFlags) {
    test(`reprieve ${args.join(" ")}`.slice(0, 90), async () => {
      expectRefusal(await Reprieve.ends(args), exit.usage, names);
    });
  }
});

const killer = onlyOnV1("v2 has no switch for the kernel's killer");
const hierarchy = onlyOnV2("v1 has no such groups");

describeWith("bad groups", [...kernelTest, program("setpriv", "util-linux")], () => {
  let group: Group;
  beforeEach(() => {
    group = new Group("bad", { limit: LIMIT });
  });
  afterEach(() => group.destroy());

  const guard = (...paths: string[]) =>
    Reprieve.ends(["run", ...paths.flatMap((p) => ["--cgroup", p]), "--allow-kill"]);

  test("one that does not exist", async () => {
    expectRefusal(await guard(`${group.path}-not`), exit.noGroup, /bad-not/);
  });

  test("one of two does not exist: neither is guarded", async () => {
    expectRefusal(await guard(group.path, `${group.path}-not`), exit.noGroup, /bad-not/);
    expect(group.oom().held).toBe(false);
  });

  test("the root group", async () => {
    expectRefusal(await guard(memoryRoot ?? ""), exit.unsafe, /root/);
  });

  test("a directory outside the hierarchy, straight and by a link", async () => {
    const link = `/dev/shm/reprieve-test-link-${process.pid}`;
    symlinkSync("/etc", link);
    for (const path of ["/etc", link, `${group.path}/../../../../../etc`]) {
      const ended = await guard(path);
      expect([exit.usage, exit.noGroup] as number[]).toContain(ended.code);
      expect(ended.err).toMatch(/cgroup/);
    }
    rmSync(link);
  });

  test("one without a limit", async () => {
    group.setNoLimit();
    expectRefusal(await guard(group.path), exit.unsafe, /limit/);
  });

  killer("one whose killer somebody else switched off stays so", async () => {
    group.hold();
    expectRefusal(await guard(group.path), exit.unsafe, /echo 0 > .*bad\/memory.oom_control/);
    expect(group.oom().held).toBe(true);
  });

  killer("one with a child whose killer somebody else switched off stays so", async () => {
    const child = group.child("child");
    child.hold();
    expectRefusal(await guard(group.path), exit.unsafe, /child/);
    expect(child.oom().held).toBe(true);
    expect(group.oom().held).toBe(false);
  });

  hierarchy("one that has only a mark of its owner's is guarded by that", async () => {
    group.hold();
    group.setNoLimit();
    const reprieve = await Reprieve.guard([group.path]);
    expect(await reprieve.stop()).toBe(0);
    expect(group.oom().held).toBe(true);
  });

  hierarchy("one without the memory controller: how to enable it", async () => {
    const { path } = group.child("child");
    expectRefusal(await guard(path), exit.unsafe, /echo \+memory > .*bad\/cgroup.subtree_control/);
  });

  hierarchy("a threaded one, and one beside it", async () => {
    const [threaded, beside] = [group.child("threaded"), group.child("beside")];
    threaded.write("cgroup.type", "threaded");
    expectRefusal(await guard(threaded.path), exit.unsafe, /it is threaded: .* guard that one/);
    expectRefusal(await guard(beside.path), exit.unsafe, /it is domain invalid: /);
  });

  test("the same one twice, spelt two ways: it is guarded once", async () => {
    const reprieve = Reprieve.start(
      ["run", "--listen", "none", "--allow-kill", "--json"].concat([
        "--cgroup",
        group.path,
        "--cgroup",
        `${group.path}/../${basename(group.path)}`,
      ]),
    );
    await reprieve.armed();
    expect(await reprieve.stop()).toBe(0);
    expect(reprieve.messages.filter((m) => m.type === "armed")).toHaveLength(1);
  });

  test("two with the handler inside", async () => {
    const other = new Group("other", { limit: LIMIT });
    const paths = ["--cgroup", group.path, "--cgroup", other.path];
    const ended = await Reprieve.ends(["run", ...paths, "--allow-kill", "--handler", "inside"]);
    expectRefusal(ended, exit.usage, /--handler/);
    await other.destroy();
  });

  test("one that the user may not write", async () => {
    const ended = await endsAsUser(["run", "--cgroup", group.path, "--allow-kill"]);
    expectRefusal(ended, exit.notPermitted, /bad/);
  });

  test("a group of one's own without root", async () => {
    const ended = await endsAsUser(["run", "--limit", "64M", ...CMD]);
    expectRefusal(ended, exit.notPermitted, /run as root/);
  });

  test("two reprieves on one group: the second is refused, the first goes on", async () => {
    const scene = await Scene.set();
    expectRefusal(await guard(scene.group.path), exit.inUse, /scene/);
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });
});

describeWith("groups that change", kernelTest, () => {
  test("vanishes while guarded: 66 and a sentence", async () => {
    const scene = await Scene.set();
    await scene.group.destroy();
    const ended = await scene.reprieve.ended();
    expect(ended.code).toBe(exit.noGroup);
    expect(ended.err).toMatch(/scene/);
    await scene.reprieve.gone();
    await scene.strike();
  });

  test("one of two vanishes: the other stays guarded", async () => {
    const left = new Group("left", { limit: LIMIT });
    const right = new Group("right", { limit: LIMIT });
    const board = new Board();
    const reprieve = await Reprieve.guard([left.path, right.path]);
    await left.destroy();
    const leaker = await board.start(right, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    const closed = await reprieve.message("incident.closed");
    expect(closed.outcome).toBe("relieved");
    expect(await reprieve.stop()).toBe(0);
    await reprieve.gone();
    await right.destroy();
    board.close();
  });

  test("vanishes in the middle of an OOM: 66, and nothing is left", async () => {
    for (let i = 0; i < 5; i += 1) {
      const scene = await Scene.set();
      const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
      leaker.go();
      await until("an OOM", () => scene.group.oom().waiting || !leaker.isAlive());
      await scene.group.destroy();
      expect((await scene.reprieve.ended()).code).toBe(exit.noGroup);
      await scene.reprieve.gone();
      await scene.strike();
    }
  });

  renaming("is renamed: the guard follows it, and puts back there", async () => {
    const scene = await Scene.set();
    scene.group.rename(`${scene.group.path}-2`);
    expect((await scene.leak()).closed.outcome).toBe("relieved");
    await scene.end();
  });

  renaming("is renamed and made anew: the new one is left alone", async () => {
    const scene = await Scene.set();
    const { path } = scene.group;
    scene.group.rename(`${path}-2`);
    const anew = new Group("anew", { limit: 8 * MB });
    anew.rename(path);
    anew.hold(); // its owner answers for it
    expect(await scene.reprieve.stop()).toBe(0);
    expect(anew.oom().held).toBe(true);
    await anew.destroy();
    await scene.expectAsBefore();
  });
});

describeWith("bad hosts", [...kernelTest, program("unshare", "util-linux")], () => {
  /**
   * In a mount namespace of its own: the host's sysctl stays, a real OOM elsewhere must not panic
   * it.
   */
  test("vm.panic_on_oom=2", async () => {
    const group = new Group("panic", { limit: LIMIT });
    const said = `/dev/shm/reprieve-test-panic-${process.pid}`;
    writeFileSync(said, "2\n");
    const mount = `mount --bind ${said} /proc/sys/vm/panic_on_oom && exec "$@"`;
    const ended = await Reprieve.ends(["run", "--cgroup", group.path, "--allow-kill"], {
      command: ["unshare", "-m", "sh", "-c", mount, "sh", binary],
    });
    rmSync(said);
    expectRefusal(ended, exit.unsafe, /panic_on_oom/);
    expect(group.oom().held).toBe(false);
    await group.destroy();
  });

  /** In a mount namespace of its own, whose changes nobody else sees. */
  const inNamespace = (change: string, ...args: readonly string[]) =>
    Reprieve.ends(args, {
      command: ["unshare", "-m", "sh", "-c", `{ ${change}; } && exec "$@"`, "sh", binary],
    });

  test("a hierarchy that is mounted read-only", async () => {
    const group = new Group("read-only", { limit: LIMIT });
    const change = `mount -o remount,bind,ro ${memoryRoot}`;
    for (const what of [["--cgroup", group.path], CMD]) {
      const ended = await inNamespace(change, "run", ...what);
      expectRefusal(ended, exit.host, /mounted read-only, mount -o remount,rw/);
    }
    await group.destroy();
  });

  test("no room for the ledger, or the token", async () => {
    const full = (bytes: number) =>
      `mount -t tmpfs -o size=8k none /run && (head -c ${bytes} /dev/zero > /run/full || true)`;
    const run = ["run", "--limit", "64M", "--listen", "127.0.0.1:0", ...CMD];
    expectRefusal(await inNamespace(full(8192), ...run), exit.host, /ledger.*ENOSPC/);
    expectRefusal(await inNamespace(full(4096), ...run), exit.host, /token.*ENOSPC/);
  });

  test("too few descriptors for so many groups", async () => {
    const host = new Group("many", { limit: LIMIT });
    const paths = Array.from({ length: 30 }, (_, i) => host.child(`${i}`, 8 * MB).path);
    const args = ["run", "--listen", "none", ...paths.flatMap((path) => ["--cgroup", path])];
    const ended = await Reprieve.ends(args, {
      command: ["sh", "-c", 'ulimit -n 90 && exec "$@"', "sh", binary],
    });
    expectRefusal(ended, exit.host, /too many open files, raise ulimit -n/);
    await host.destroy();
  });

  test("a name that does not resolve", async () => {
    const listen = ["--listen", "nohost.invalid:80"];
    const ended = await Reprieve.ends(["run", "--limit", "64M", ...listen, ...CMD]);
    expectRefusal(ended, exit.host, /nohost.invalid does not resolve/);
  });

  test("a port in use that was asked for", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("taken"),
    });
    const listen = `127.0.0.1:${server.port}`;
    const ended = await Reprieve.ends(["run", "--limit", "64M", "--listen", listen, ...CMD]);
    expectRefusal(ended, exit.inUse, new RegExp(String(server.port)));
    await server.stop(true);
  });
});
