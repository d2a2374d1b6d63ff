// SPDX-License-Identifier: MIT
/** The host is short of something: CPU time, descriptors, room in /run, lockable memory, process ids. */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fixture } from "../../helpers/build.ts";
import { kill } from "../../helpers/group.ts";
import { binary, programOf } from "../../helpers/paths.ts";
import type { Role } from "../../helpers/reprieve.ts";
import { program } from "../../helpers/require.ts";
import type { Scene } from "../../helpers/scene.ts";
import { until } from "../../helpers/wait.ts";
import { isAlive } from "../../helpers/workload.ts";
import { BUSY_BOUND_MS, type Fault, type LeakRow, together } from "../engine.ts";
import { signal } from "./ours.ts";

const RLIMIT_NOFILE = 7;
/** All below are open in each of ours; with fewer poll() itself would be refused. */
const INHERITED = 10n;
/** Ended by the kernel, whoever else has no CPU to do so. */
const SPIN = "ulimit -t 3 && while :; do :; done";
const libc = dlopen("libc.so.6", {
  prlimit: { args: [FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
}).symbols;

/** Every CPU has a task that never sleeps. */
function busy(priority: number): Fault {
  const wrapper = priority > 0 ? ["chrt", "-f", String(priority)] : [];
  let spinning: readonly Bun.Subprocess[] = [];
  return {
    strike: () => {
      spinning = Array.from({ length: availableParallelism() }, () =>
        Bun.spawn([...wrapper, "sh", "-c", SPIN], { stdio: ["ignore", "ignore", "ignore"] }),
      );
    },
    heal: async () => {
      for (const one of spinning) one.kill("SIGKILL");
      for (const one of spinning) await one.exited;
    },
  };
}

/** From now on it opens nothing more; the hard limit stays, for lifting that takes CAP_SYS_RESOURCE. */
function noDescriptors(pids: readonly number[]): Fault {
  const set = (pid: number, soft: bigint | null) => {
    const limits = new BigUint64Array(2);
    libc.prlimit(pid, RLIMIT_NOFILE, null, ptr(limits));
    limits[0] = soft ?? limits[1] ?? 0n;
    libc.prlimit(pid, RLIMIT_NOFILE, ptr(limits), null);
  };
  return {
    strike: () => pids.forEach((pid) => void set(pid, INHERITED)),
    heal: () => pids.forEach((pid) => void set(pid, null)),
  };
}

const ROLES: readonly Role[] = ["handler", "watchdog", "spare"];

async function everybody({ reprieve }: Scene): Promise<number[]> {
  const helpers = await Promise.all(ROLES.map((role) => reprieve.helper(role)));
  return [reprieve.pid, ...helpers];
}

/** /run is a small tmpfs of reprieve's own, seen through its /proc entry. */
function runFull({ reprieve }: Scene): Fault {
  const path = `/proc/${reprieve.pid}/root/run/filler`;
  const block = new Uint8Array(64 * 1024);
  return {
    strike: () => {
      for (const size of [block.length, 4096, 1]) {
        try {
          for (;;) writeFileSync(path, block.subarray(0, size), { flag: "a" });
        } catch {} // no room for one of that size
      }
    },
  };
}

/** Somebody else gets the pid of a helper that was killed: he is nobody's to judge, follow or kill. */
async function pidTaken(scene: Scene, role: Role): Promise<Fault> {
  const { board, reprieve } = scene;
  const pid = await reprieve.helper(role);
  kill(pid, "SIGKILL");
  await until("the pid to be free", () => !existsSync(`/proc/${pid}`));
  const wrapper = [fixture("as-pid"), String(pid)];
  const heir = await board.start(null, { means: "touch", beforeKb: 512 }, wrapper).ready();
  return {
    strike: () => {},
    heal: async () => {
      expect(heir.pid).toBe(pid);
      expect(isAlive(pid)).toBe(true);
      await heir.stop();
    },
  };
}

/** Without CAP_IPC_LOCK the limit counts. */
const NO_LOCK = [programOf("setpriv"), "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"];
const TINY_RUN = 'mount -t tmpfs -o size=256k none /run && exec "$@"';

export const host: readonly LeakRow[] = [
  {
    name: "CPUs kept busy by ordinary tasks",
    stages: ["quiet", "near"],
    boundMs: BUSY_BOUND_MS,
    isBusy: true,
    prepare: () => busy(0),
  },
  {
    name: "CPUs kept busy by ordinary tasks, handler SIGSTOP",
    stages: ["quiet"],
    boundMs: BUSY_BOUND_MS,
    isBusy: true,
    prepare: async (scene) => {
      return together([busy(0), await signal(scene, ["handler"], "SIGSTOP")]);
    },
  },
  ...[false, true].map(
    (isStopped): LeakRow => ({
      name: `CPUs kept busy by real-time tasks${isStopped ? ", handler SIGSTOP" : ""}`,
      needs: [program("chrt", "util-linux")],
      stages: ["quiet", "near"],
      boundMs: BUSY_BOUND_MS,
      isBusy: true,
      switchOnly: true,
      roundsMost: 1,
      prepare: async (scene) => {
        const faults = [busy(1)];
        if (isStopped) faults.unshift(await signal(scene, ["handler"], "SIGSTOP"));
        return together(faults);
      },
    }),
  ),
  {
    name: "no descriptors left",
    stages: ["quiet", "near", "event", "hand-over"],
    prepare: async (scene) => noDescriptors(await everybody(scene)),
  },
  {
    name: "no descriptors left for the agent, handler SIGKILL",
    stages: ["quiet", "near", "event"],
    prepare: async (scene) => {
      return together([
        noDescriptors([scene.reprieve.pid]),
        await signal(scene, ["handler"], "SIGKILL"),
      ]);
    },
  },
  {
    name: "/run full",
    needs: [program("unshare", "util-linux")],
    stages: ["quiet", "near", "event", "hand-over"],
    start: { command: ["unshare", "-m", "sh", "-c", TINY_RUN, "sh", binary] },
    prepare: runFull,
  },
  {
    name: "memlock limit 64 KB",
    needs: [program("setpriv", "util-linux")],
    stages: ["quiet", "event", "hand-over"],
    start: { command: ["sh", "-c", 'ulimit -l 64 && exec "$@"', "sh", ...NO_LOCK, binary] },
    prepare: async ({ reprieve }) => {
      await until("word of it", () =>
        reprieve.err.includes("not locked (ENOMEM): raise ulimit -l"),
      );
      return { strike: () => {} };
    },
  },
  ...ROLES.map(
    (role): LeakRow => ({
      name: `pid of the ${role} reused`,
      stages: ["quiet"],
      prepare: (scene) => pidTaken(scene, role),
    }),
  ),
];
