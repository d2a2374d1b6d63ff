// SPDX-License-Identifier: MIT
/** Who is never chosen, whatever the order and by what it chooses: reprieve's own, process 1, and threads of the kernel. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, ordered } from "../helpers/orders.ts";
import { binary } from "../helpers/paths.ts";
import { describeWith, kernelTest, program } from "../helpers/require.ts";
import { LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { isAlive } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const SAMPLED_MS = 1200; // SAMPLE_FAR_MS of native/limits.h, and some
/** In less than 80 MiB reprieve does not start (src/cli/own-group.ts). */
const ROOMY = 96 * MB;
const LEAK_KB = (ROOMY / 1024) * 1.5;
/** The agent holds 10 MB: by its weight it would be the first. */
const FIRST = ["--prefer", "name=reprieve*,weight=40"];
const LONG = ["--delay", "10s"];
/** Sleeps for good mostly, may be moved, and is the same on all hosts. */
const KERNEL_THREAD = "khugepaged";

afterEach(cleanUp);

function kernelThread(): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === KERNEL_THREAD;
    } catch {
      return false; // it has ended
    }
  });
  if (found === undefined) throw new Error(`This kernel has no ${KERNEL_THREAD}`);
  return Number(found);
}

function home(pid: number): void {
  writeFileSync(`${memory.root}/cgroup.procs`, String(pid));
}

describeWith("ours and the kernel's, in the group", kernelTest, () => {
  for (const [orders, handler, whole] of [
    [["kill"], "inside", []],
    [["kill=weight"], "inside", []],
    [["kill-group=all", "kill"], "outside", ["EPERM"]],
  ] as const) {
    test(
      `are never chosen by ${orders.join(", ")}`,
      async () => {
        const args = [...OFTEN, ...LONG, ...ordered(...orders), ...FIRST, "--handler", handler];
        const group = new Group("never", { limit: ROOMY });
        // Born in the group: all that the agent holds counts as the group's.
        const born = 'echo 0 > "$0/cgroup.procs" && exec "$@"';
        const command = ["sh", "-c", born, group.path, binary];
        const scene = await Scene.around(group, args, { command });
        const { board, reprieve } = scene;
        const thread = kernelThread();
        try {
          group.add(thread);
          const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
          await scene.sampled();
          const ours = reprieve.helpers();
          leaker.go();
          await until("the leaker's death", () => !leaker.isAlive(), FINISH_MS);
          const closed = await scene.closed(); // only now: in the full group the agent's writes failed
          expect(closed.outcome).toBe("relieved");
          for (const step of ["chose", "kill"]) {
            for (const { pid } of scene.steps(step)) expect(pid).toBe(leaker.pid);
          }
          expect(scene.steps("chose").length).toBeGreaterThan(0);
          expect(scene.steps("kill-group").map(({ result }) => String(result))).toEqual([...whole]);
          expect(reprieve.helpers()).toEqual(ours);
          expect(reprieve.proc.exitCode).toBeNull();
          expect(isAlive(thread)).toBe(true);
          expect(group.procs()).toContain(thread);
        } finally {
          home(thread);
        }
        expect(await reprieve.stop()).toBe(0);
        await scene.strike();
      },
      TEST_MS,
    );
  }
});

/** Process 1 of a pid namespace, in the group `$1`: holds 4 MB, starts reprieve beside it, and when told to, a leaker in it. */
const INIT = `
  group=$1; shift
  "$@" & reprieve=$!
  trap 'kill -TERM $reprieve; wait $reprieve; exit $?' TERM
  trap 'cat /dev/zero | tail -n 1 &' USR1
  echo 0 > "$group/cgroup.procs"
  held=$(head -c 4000000 /dev/zero | tr '\\0' x)
  while :; do wait $reprieve; done`;

describeWith("process 1", [...kernelTest, program("unshare", "util-linux")], () => {
  test(
    "of a pid namespace is never chosen, though it would be the first",
    async () => {
      const group = new Group("first", { limit: LIMIT });
      const command = [
        "unshare",
        "--kill-child",
        "-pf",
        "--mount-proc",
        "sh",
        "-c",
        INIT,
        "sh",
        group.path,
        binary,
      ];
      const first = ["--prefer", "name=sh,weight=40"];
      const scene = await Scene.around(group, [...LONG, ...first], { command });
      const { pid } = scene.reprieve;
      const init = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
      await until("process 1 in the group", () => group.procs().includes(init));
      await Bun.sleep(SAMPLED_MS); // its helpers have other numbers there, and a command line that we do not find
      kill(init, "SIGUSR1");
      const closed = await scene.reprieve.message("incident.closed", { boundMs: FINISH_MS });
      expect(closed.outcome).toBe("relieved");
      const chosen = scene.steps("chose").map(({ pid }) => pid);
      expect(chosen.length).toBeGreaterThan(0);
      expect(chosen).not.toContain(1);
      expect(isAlive(init)).toBe(true);
      kill(init, "SIGTERM");
      await scene.reprieve.ended();
      await group.destroy();
      scene.board.close();
    },
    TEST_MS,
  );
});
