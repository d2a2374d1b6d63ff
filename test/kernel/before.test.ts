// SPDX-License-Identifier: MIT
/** when = "before": the orders are carried out the margin under the limit, and no charge ever fails there. */
import { afterEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { type Group, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, finished, limitIs, ordered, words } from "../helpers/orders.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const KB = 1024;
const BEFORE = ["--when", "before"];
/** 128 MB/s: slow enough to be met in the margin on any host. */
const SLOW = { chunkKb: 64, pauseUs: 500 } as const;
const CALM_MS = 1500;
/** Three windows of pressure, and three more. */
const AGAIN_MS = 6500;
/** The first of them, the delay, and a disk that is waited for. */
const THRASH_MS = 20_000;
/** On a disk: tmpfs cannot be reclaimed. */
const FILE = `/root/reprieve-before-${process.pid}`;

afterEach(async () => {
  await cleanUp();
  rmSync(FILE, { force: true });
});

/** Charges that met a limit: those of the kernel's own reclaim too. */
function limitHits(group: Group): number {
  return memory.version === 1
    ? Number(group.read("memory.failcnt"))
    : Number(/^max (\d+)/m.exec(group.read("memory.events"))?.[1]);
}

const v2 = onlyOnV2("v1 tells of no pressure by group");

/** Its code does not fit into the group, or not beside what is there. */
async function runCode(scene: Scene, mb: number): Promise<Workload> {
  const make = ["dd", "if=/dev/zero", `of=${FILE}`, "bs=1M", `count=${mb}`, "conv=fsync"];
  await Bun.spawn(make, { stderr: "ignore" }).exited;
  const plan = { means: "reread", kb: mb * KB } as const;
  return scene.board.start(scene.group, plan, ["env", `WORKLOAD_FILE=${FILE}`]).ready();
}

async function leak(scene: Scene, kb: number): Promise<Workload> {
  const plan = { means: "touch", kb, ...SLOW } as const;
  const leaker = await scene.board.start(scene.group, plan).ready();
  leaker.go();
  return leaker;
}

function closedLate({ reprieve }: Scene): Promise<Message> {
  return reprieve.message("incident.closed", { boundMs: THRASH_MS });
}

function opened({ reprieve }: Scene): Message[] {
  return reprieve.messages.filter(({ type }) => type === "incident.opened");
}

describeWith("before the limit", kernelTest, () => {
  test(
    "the leaker is killed, the group is never held, and no charge of anybody's fails",
    async () => {
      const scene = await Scene.set(BEFORE);
      const neighbour = await scene.neighbour();
      const leaker = await leak(scene, LEAK_KB);
      const { out } = await Reprieve.ends(["explain", scene.group.path, "--json"]);
      expect(JSON.parse(out)).toMatchObject({ when: "before", differs: [] });
      let wasHeld = false;
      await until("the leaker's end", () => {
        wasHeld ||= scene.group.oom().held;
        return !leaker.isAlive();
      });
      expect(words(await scene.closed())).toBe("relieved killed");
      expect(opened(scene).map(({ cause }) => cause)).toEqual(["near"]);
      expect(scene.victims()).toEqual([leaker.pid]);
      expect([wasHeld, limitHits(scene.group), neighbour.word("failedCalls")]).toEqual([
        false,
        0,
        0,
      ]);
      expect(neighbour.isAlive()).toBe(true);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "file memory is no trouble, however full it makes the group",
    async () => {
      const scene = await Scene.set(BEFORE);
      const write = `echo $$ >${scene.group.path}/cgroup.procs; exec dd if=/dev/zero of=${FILE} bs=1M count=96 conv=fsync`;
      const writer = Bun.spawn(["/bin/sh", "-c", write], { stderr: "ignore" });
      expect(await writer.exited).toBe(0);
      expect(scene.group.usage()).toBeGreaterThan(LIMIT - 8 * MB);
      const leaker = await leak(scene, (LIMIT / KB) * 0.25);
      await finished(leaker);
      await Bun.sleep(CALM_MS);
      expect(opened(scene)).toEqual([]);
      expect(leaker.isAlive()).toBe(true);
      // And the same group is watched as before.
      const other = await leak(scene, LEAK_KB);
      await until("its end", () => !other.isAlive());
      expect(words(await scene.closed())).toBe("relieved killed");
      expect(scene.victims()).toHaveLength(1);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "a raise is of the kernel's limit, and is given back",
    async () => {
      const raise = ["--allow-limits", ...ordered("raise=16M", "kill")];
      const scene = await Scene.set([...BEFORE, ...raise]);
      const leaker = await leak(scene, LIMIT / KB);
      expect(words(await scene.closed())).toBe("relieved raised");
      await finished(leaker);
      expect(scene.group.limit()).toBe(LIMIT + 16 * MB);
      expect(limitHits(scene.group)).toBe(0);
      await leaker.stop();
      await limitIs(scene.group, LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  v2(
    "where file memory goes round and nobody gets on, the largest is killed",
    async () => {
      const scene = await Scene.set(BEFORE);
      const plan = { means: "touch", beforeKb: LIMIT / KB - 8 * KB } as const;
      const large = await scene.board.start(scene.group, plan).ready();
      const code = await runCode(scene, 32);
      await Bun.sleep(CALM_MS); // sampled
      code.go();
      expect(words(await closedLate(scene))).toBe("relieved killed");
      expect(opened(scene).map(({ cause }) => cause)).toEqual(["starving"]);
      expect(scene.victims()).toEqual([large.pid]);
      expect([code.isAlive(), scene.group.oom().kills]).toEqual([true, 0]);
      await code.stop();
      await scene.end();
    },
    TEST_MS,
  );

  v2(
    "where nobody is worth a kill for that, it is the kernel's until it is over",
    async () => {
      const scene = await Scene.set(BEFORE);
      const code = await runCode(scene, 96);
      code.go();
      expect(words(await closedLate(scene))).toBe("handed-over no-candidate");
      await Bun.sleep(AGAIN_MS);
      expect(opened(scene)).toHaveLength(1);
      expect(code.isAlive()).toBe(true);
      await code.stop();
      await Bun.sleep(AGAIN_MS);
      const leaker = await leak(scene, LEAK_KB);
      await until("a kill", () => scene.victims().length > 0, FINISH_MS);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "what cannot be relieved is left to the kernel, once, up to the limit",
    async () => {
      const scene = await Scene.set(BEFORE);
      const most = memory.version === 1 ? LIMIT - 2 * MB : LIMIT + 2 * MB;
      const holder = await scene.board
        .start(scene.group, { means: "file", kb: most / KB, ...SLOW })
        .ready();
      holder.go();
      expect(words(await scene.closed())).toBe("handed-over no-candidate");
      await Bun.sleep(CALM_MS);
      expect(opened(scene)).toHaveLength(1);
      expect(holder.isAlive()).toBe(true);
      await holder.stop();
      scene.board.dropHeld();
      // Far from its threshold for a second: the next one is ours again.
      await Bun.sleep(CALM_MS);
      const leaker = await leak(scene, LEAK_KB);
      await until("a kill", () => scene.victims().length > 0, FINISH_MS);
      expect(scene.victims()).toEqual([leaker.pid]);
      await scene.end();
    },
    TEST_MS,
  );
});
