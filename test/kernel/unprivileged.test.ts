// SPDX-License-Identifier: MIT
/** As a user without rights, in a group that is delegated to him: what is seen of a group that starves, and what is said. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, rmSync } from "node:fs";
import { type AsUser, asUser, giveToUser, setUser, UID } from "../helpers/as-user.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Group, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { programOf } from "../helpers/paths.ts";
import { describeWith, kernelTest, onlyOnV2, program } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Plan, Workload } from "../helpers/workload.ts";

const UNSEEN = "starvation without an OOM is not seen in ";
const PRESSURE = memory.version === 1 ? "memory.pressure_level" : "memory.pressure";
const LARGE_KB = (40 * MB) / 1024;
const CODE_MB = 16;
/** Three windows of pressure of 2 s in a row, which depends on how fast the disk of the VM is; the delay, and a kill. */
const THRASH_MS = 45_000;
const TEST_MS = 90_000;
/** On a disk: tmpfs cannot be reclaimed. */
const FILE = `/var/tmp/reprieve-code-${process.pid}`;

afterEach(async () => {
  await cleanUp();
  rmSync(FILE, { force: true });
});

const v2 = onlyOnV2("on v1 pressure has no windows, and the user has to see the fixtures");
const needs = [program("setpriv", "util-linux"), program("strace", "apt-get install strace")];

/** A group of the user's beside the one in which his reprieve lives. */
interface Place {
  readonly home: Group;
  readonly guarded: Group;
}

function delegated(): Place {
  const home = new Group("delegated");
  const guarded = home.child("guarded", LIMIT);
  giveToUser(guarded);
  return { home, guarded };
}

async function guard({ guarded }: Place, { command, env }: AsUser): Promise<Scene> {
  const scene = await Scene.around(guarded, ["--margin", String(LIMIT / 4)], {
    command,
    env: { ...env },
  });
  chownSync(scene.board.file, UID, UID);
  return scene;
}

/** One that the user may signal. */
async function start({ board, group }: Scene, plan: Plan, ...env: string[]): Promise<Workload> {
  const join = ["sh", "-c", `echo 0 > ${group.path}/cgroup.procs && exec "$@"`, "sh"];
  return board.start(null, plan, [...join, ...setUser(), "env", ...env]).ready();
}

async function ends(scene: Scene, { home }: Place, user: AsUser): Promise<void> {
  expect(await scene.reprieve.stop()).toBe(0);
  await scene.strike();
  await home.destroy();
  user.remove();
}

describeWith("a user's reprieve", [...kernelTest, ...needs], () => {
  test(
    "says so where a group's pressure is not his to watch",
    async () => {
      const place = delegated();
      chownSync(`${place.guarded.path}/${PRESSURE}`, 0, 0);
      chmodSync(`${place.guarded.path}/${PRESSURE}`, 0o600);
      const user = asUser(place.home);
      const scene = await guard(place, user);
      const says = new RegExp(`${UNSEEN}\\S+/guarded: no events of its pressure \\(EACCES\\)`);
      await until("it to be said", () => says.test(scene.reprieve.err));
      await ends(scene, place, user);
      expect(scene.reprieve.err.split(UNSEEN)).toHaveLength(2); // once
    },
    TEST_MS,
  );

  v2(
    "relieves an OOM without it",
    async () => {
      const place = delegated();
      chownSync(`${place.guarded.path}/${PRESSURE}`, 0, 0);
      const user = asUser(place.home);
      const scene = await guard(place, user);
      const leaker = await start(scene, { means: "touch", kb: LEAK_KB });
      leaker.go();
      expect((await scene.closed()).outcome).toBe("relieved");
      expect(scene.victims()).toEqual([leaker.pid]);
      await ends(scene, place, user);
    },
    TEST_MS,
  );

  v2(
    "sees file memory go round, by windows of 2 s where the kernel wants that of users",
    async () => {
      const make = `dd if=/dev/zero of=${FILE} bs=1M count=${CODE_MB} conv=fsync`;
      await Bun.spawn(["sh", "-c", make], { stdio: ["ignore", "ignore", "ignore"] }).exited;
      const place = delegated();
      // As Linux does since 6.6: the window of 1 s, which is asked for first, is refused.
      const refuse = ["-e", "trace=write", "-e", "inject=write:error=EINVAL:when=1"];
      const only = ["-P", `${place.guarded.path}/memory.pressure`];
      const log = `${FILE}.strace`;
      const user = asUser(place.home, [
        ...[programOf("strace"), "-D", "-f", "-qq", "-o", log, ...only, ...refuse],
      ]);
      const scene = await guard(place, user);
      const large = await start(scene, { means: "touch", beforeKb: LARGE_KB });
      const plan = { means: "reread", kb: CODE_MB * 1024 } as const;
      const code = await start(scene, plan, `WORKLOAD_FILE=${FILE}`);
      await Bun.sleep(1200); // sampled
      code.go();
      const opened = await scene.reprieve.message("incident.opened", { boundMs: THRASH_MS });
      expect(opened.cause).toBe("starving");
      await until("the large one's death", () => !large.isAlive());
      expect((await scene.closed()).outcome).toBe("relieved");
      expect(scene.victims()).toEqual([large.pid]);
      expect(code.isAlive()).toBe(true);
      const asked = await Bun.file(log).text();
      expect(asked).toContain('"full 300000 1000000\\0", 20) = -1 EINVAL');
      expect(asked).toContain('"full 600000 2000000\\0", 20) = 20');
      await code.stop();
      await ends(scene, place, user);
      expect(scene.reprieve.err).not.toContain(UNSEEN);
      rmSync(log);
    },
    TEST_MS,
  );
});
