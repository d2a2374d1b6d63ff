// SPDX-License-Identifier: MIT
/**
 * All of ours die in one instant near the limit: the killer stays off until something puts it
 * back.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { exit } from "../../src/errors.ts";
import { cleanUp } from "../helpers/clean.ts";
import { serve } from "../helpers/feed.ts";
import { Group, kill } from "../helpers/group.ts";
import { binary, memoryRoot, runBase } from "../helpers/paths.ts";
import { type Ended, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, NEAR_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const killer = onlyOnV1("v2 has no switch for the kernel's killer");
const RUN = ["run", "--limit", "48M", "--listen", "none", "--json"];
const procsOf = (group: string) => readFileSync(`${group}/cgroup.procs`, "utf8").trim();

afterEach(cleanUp);

/** A group near its limit whose reprieve is dead as a whole. */
async function orphan(): Promise<Scene> {
  const scene = await Scene.set();
  const near = { means: "touch", beforeKb: NEAR_KB } as const;
  await scene.board.start(scene.group, near).ready();
  await until("the killer to be off", () => scene.group.oom().held);
  scene.reprieve.killAll();
  await until("all to be dead", () => scene.reprieve.helpers().size === 0);
  expect(scene.group.oom().held).toBe(true);
  return scene;
}

/** 75 where somebody else's reprieve is at work on this host: its groups are left alone. */
async function releases(): Promise<Ended> {
  const ended = await Reprieve.ends(["release"]);
  expect([0, 75]).toContain(ended.code);
  return ended;
}

async function expectReleased(scene: Scene): Promise<void> {
  expect(scene.group.oom().held).toBe(false);
  expect(existsSync(`${runBase}/${scene.reprieve.pid}`)).toBe(false);
  await scene.reprieve.gone();
  await scene.strike();
}

describeWith("release", [...kernelTest, program("unshare", "util-linux")], () => {
  test("puts back what a dead reprieve left, from its ledger", async () => {
    const scene = await orphan();
    // Of a take-over that it did not live to see the end of.
    for (const name of ["attached", "seen"]) {
      writeFileSync(`${runBase}/${scene.reprieve.pid}/${name}`, "");
    }
    const ended = await releases();
    expect(ended.out + ended.err).toMatch(/scene/);
    await expectReleased(scene);
  });

  test("leaves a living reprieve's groups alone", async () => {
    const scene = await Scene.set();
    const near = { means: "touch", beforeKb: NEAR_KB } as const;
    await scene.board.start(scene.group, near).ready();
    await until("the killer to be off", () => scene.group.oom().held);
    const ended = await Reprieve.ends(["release"]);
    expect(ended.code).toBe(75);
    expect(ended.out + ended.err).toContain(String(scene.reprieve.pid));
    expect(scene.group.oom().held).toBe(true);
    await scene.end();
  });

  test("an end whose watchers do not answer releases, beside a living other", async () => {
    const other = await Scene.set();
    const scene = await Scene.set();
    const near = { means: "touch", beforeKb: NEAR_KB } as const;
    await scene.board.start(scene.group, near).ready();
    await until("the killer to be off", () => scene.group.oom().held);
    for (const role of ["watchdog", "spare"] as const) {
      kill(await scene.reprieve.helper(role), "SIGSTOP");
    }
    await scene.end();
    expect(scene.reprieve.messages.at(-1)).toMatchObject({ type: "released", result: "ok" });
    await other.end();
  });

  onlyOnV1("the ledger that is forged is one of v1")(
    "reads no ledger that another user could have written",
    async () => {
      const group = new Group("forged", { limit: LIMIT });
      group.hold();
      const inode = BigUint64Array.of(BigInt(statSync(group.path).ino));
      const forge =
        "mount -t tmpfs none /dev/shm && mkdir -p /dev/shm/reprieve/1 && " +
        'cat > /dev/shm/reprieve/1/ledger && $CHOWN /dev/shm/reprieve && exec "$@"';
      const ledger = Buffer.concat([
        Buffer.from(BigUint64Array.of(0x7265676465766572n, (1n << 32n) | 4n).buffer),
        Buffer.from(inode.buffer),
        Buffer.alloc(8), // not owned
        Buffer.alloc(16), // v1: no memory.high
        Buffer.alloc(40), // nothing raised, nobody frozen
        Buffer.from(group.path),
        Buffer.alloc(512 - group.path.length),
      ]);
      const release = (chown: string) =>
        Bun.spawnSync(["unshare", "-m", "sh", "-c", forge, "sh", binary, "release"], {
          stdin: ledger,
          env: { ...process.env, CHOWN: chown },
        }).stdout.toString();
      expect(release("chown 65534")).toContain("others may write to it");
      expect(group.oom().held).toBe(true);
      expect(release("chmod 700")).toContain("released"); // the same ledger, in a directory of root's own
      expect(group.oom().held).toBe(false);
      await group.destroy();
    },
  );

  test("leaves no file of one that had a feed, nor do its helpers when the agent alone is killed", async () => {
    const dead = (await serve()).scene;
    dead.reprieve.killAll();
    await releases();
    await dead.reprieve.gone();
    await dead.strike();
    const { scene } = await serve();
    kill(scene.reprieve.pid, "SIGKILL");
    await scene.expectAsBefore();
  });

  test("leaves a group alone that was made anew under the same name", async () => {
    const scene = await orphan();
    await scene.group.destroy();
    scene.group.renew(LIMIT);
    scene.group.hold();
    await releases();
    expect(scene.group.oom().held).toBe(true);
    await scene.reprieve.gone();
    await scene.strike();
  });

  test("the next start puts it back", async () => {
    const scene = await orphan();
    const other = new Group("other", { limit: LIMIT });
    const next = await Reprieve.guard([other.path]);
    await expectReleased(scene);
    expect(await next.stop()).toBe(0);
    await next.gone();
    await other.destroy();
  });

  test("the next start may guard the very group", async () => {
    const scene = await orphan();
    const next = await Reprieve.guard([scene.group.path]);
    const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    expect((await next.message("incident.closed")).outcome).toBe("relieved");
    expect(await next.stop()).toBe(0);
    await next.gone();
    await expectReleased(scene);
  });

  /** A reprieve with a CMD of its own that is dead as a whole, while CMD lives. */
  async function orphanOfItsOwn(): Promise<{ reprieve: Reprieve; path: string }> {
    const reprieve = Reprieve.start([...RUN, "--", "sleep", "60"]);
    await reprieve.armed();
    const path = String((await reprieve.message("armed")).cgroup);
    await until("CMD to run", () => procsOf(path) !== "");
    reprieve.killAll();
    await until("all to be dead", () => reprieve.helpers().size === 0);
    return { reprieve, path };
  }

  test("removes the group that a dead reprieve made, once CMD has ended", async () => {
    const { reprieve, path } = await orphanOfItsOwn();
    const first = await Reprieve.ends(["release"]);
    expect(first.code).toBe(75);
    expect(first.out).toContain(`left alone: ${path} still has processes`);
    kill(Number(procsOf(path)), "SIGKILL");
    await until("CMD's end", () => procsOf(path) === "");
    expect((await releases()).out).toContain(`removed ${path}`);
    expect(existsSync(path)).toBe(false);
    await reprieve.gone();
  });

  test("the next start removes it too", async () => {
    const { reprieve, path } = await orphanOfItsOwn();
    kill(Number(procsOf(path)), "SIGKILL");
    await until("CMD's end", () => procsOf(path) === "");
    expect((await Reprieve.ends([...RUN, "--", "true"])).code).toBe(0);
    expect(existsSync(path)).toBe(false);
    await reprieve.gone();
  });

  test("leaves alone what a dead agent's watchers see to: its CMD goes on, in a group that goes with it", async () => {
    const reprieve = Reprieve.start([...RUN, "--", "sleep", "60"]);
    await reprieve.armed();
    const path = String((await reprieve.message("armed")).cgroup);
    await until("CMD to run", () => procsOf(path) !== "");
    kill(reprieve.pid, "SIGKILL");
    await reprieve.ended();
    const ended = await Reprieve.ends(["release"]);
    expect(ended.out).toContain(
      `left alone: reprieve ${reprieve.pid} is dead; its watchers give back ${path}, and remove it when its CMD, unguarded since then, has ended`,
    );
    expect(ended.code).toBe(exit.inUse);
    expect(existsSync(path)).toBe(true);
    kill(Number(procsOf(path)), "SIGKILL");
    await reprieve.gone(20_000);
  });

  test("removes its helpers' groups wherever they were, as in a unit beside the agent's", async () => {
    const slice = new Group("slice");
    const agents = slice.child("agent");
    const unit = slice.child("reprieve-helpers.service");
    const guarded = new Group("guarded", { limit: LIMIT });
    const reprieve = Reprieve.start(["run", "--cgroup", guarded.path, "--listen", "none"], {
      command: ["sh", "-c", `echo 0 >${agents.path}/cgroup.procs && exec "$@"`, "sh", binary],
    });
    const helpers = `${unit.path}/reprieve-helpers-${reprieve.pid}`;
    await until("a handler there", () => existsSync(helpers) && procsOf(helpers) !== "");
    reprieve.killAll();
    await until("all to be dead", () => reprieve.helpers().size === 0);
    expect(existsSync(helpers)).toBe(true);
    await releases();
    expect(existsSync(helpers)).toBe(false);
    await reprieve.gone();
    for (const group of [agents, unit, slice, guarded]) await group.destroy();
  });

  test("says so when there is nothing to do", async () => {
    const empty = 'mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && exec "$@"';
    const ended = await Reprieve.ends(["release"], {
      command: ["unshare", "-m", "sh", "-c", empty, "sh", binary],
    });
    expect(ended.out).toBe("nothing to release\n");
    expect(ended.code).toBe(0);
  });

  /** The kernel gives one page of /proc/self/mounts a read, with a space as \\040. */
  killer("finds the hierarchy behind many mounts, at a path with a space", async () => {
    const host = new Group("host", { limit: LIMIT });
    host.child("a").hold();
    const mounts = `mount -t tmpfs none /dev/shm && cd /dev/shm &&
      for i in $(seq 100); do mkdir $i && mount -t tmpfs none /dev/shm/$i || exit 1; done &&
      mkdir 'a b' && mount --bind ${host.path} '/dev/shm/a b' && umount -l ${memoryRoot} && exec "$@"`;
    const ended = await Reprieve.ends(["release", "--all"], {
      command: ["unshare", "-m", "sh", "-c", mounts, "sh", binary],
    });
    expect(ended.out).toContain("killer is off in /dev/shm/a b/a;");
    await host.destroy();
  });

  killer("--all lists the groups whose killer is off and changes none", async () => {
    const group = new Group("off", { limit: LIMIT });
    group.hold();
    const ended = await Reprieve.ends(["release", "--all"]);
    expect(ended.out + ended.err).toContain(group.path);
    expect(group.oom().held).toBe(true);
    await group.destroy();
  });
});

describeWith("release --all --force", [...kernelTest, program("unshare", "util-linux")], () => {
  /** In a mount namespace whose hierarchy is one group: the rest of the host is other people's. */
  killer("switches the killer back on in every group that it sees", async () => {
    const host = new Group("host", { limit: LIMIT });
    const groups = [host.child("a"), host.child("b")];
    const other = new Group("other", { limit: LIMIT });
    for (const one of [...groups, other]) one.hold();
    const mount = `mount --bind ${host.path} ${memoryRoot} && exec "$@"`;
    const ended = await Reprieve.ends(["release", "--all", "--force"], {
      command: ["unshare", "-m", "sh", "-c", mount, "sh", binary],
    });
    expect([0, 75]).toContain(ended.code);
    for (const one of groups) expect(one.oom().held).toBe(false);
    expect(other.oom().held).toBe(true);
    await host.destroy();
    await other.destroy();
  });

  killer("leaves the group of a living reprieve alone", async () => {
    const scene = await Scene.set();
    const near = { means: "touch", beforeKb: NEAR_KB } as const;
    await scene.board.start(scene.group, near).ready();
    await until("the killer to be off", () => scene.group.oom().held);
    const mount = `mkdir /dev/shm/x && mount --bind ${scene.group.path} /dev/shm/x &&
      mount -t tmpfs none ${memoryRoot} && mkdir ${memoryRoot}/x &&
      mount --move /dev/shm/x ${memoryRoot}/x && exec "$@"`;
    const ended = await Reprieve.ends(["release", "--all", "--force"], {
      command: [
        "unshare",
        "-m",
        "sh",
        "-c",
        `mount -t tmpfs none /dev/shm && ${mount}`,
        "sh",
        binary,
      ],
    });
    expect(ended.out).toMatch(/left alone: .* is guarded by a living reprieve/);
    expect(ended.code).toBe(75);
    expect(scene.group.oom().held).toBe(true);
    await scene.end();
  });
});
