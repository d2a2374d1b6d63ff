// SPDX-License-Identifier: MIT
/**
 * cgroup v2 only: file memory at memory.high. That it goes through a group without end is no trouble; that it goes round and
 * nobody gets on is, and makes no OOM event. CACHE_S=600 prolongs the loads.
 */
import { afterEach, expect } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { cleanUp } from "../helpers/clean.ts";
import { type Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import type { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

const MARGIN = LIMIT / 4;
const HIGH = memory.limitFor(LIMIT) - MARGIN;
const LOAD_S = Number(process.env.CACHE_S ?? 3);
const TEST_MS = (LOAD_S + 60) * 1000;
/** Three windows of pressure, the delay, and a kill by the kernel's rule. */
const THRASH_MS = 15_000;
/** On a disk: tmpfs cannot be reclaimed. */
const FILE = `/root/reprieve-cache-${process.pid}`;
const LARGE_KB = (40 * MB) / 1024;
const makeFile = (mb: number, file = FILE) =>
  `dd if=/dev/zero of=${file} bs=1M count=${mb} conv=fsync`;
const MAKE = makeFile(96);
const READ = `cat ${FILE} > /dev/null`;
const TAR = `tar -cf ${FILE}.tar ${FILE} && tar -xf ${FILE}.tar -C /var/tmp`;
const LOADS = {
  writer: MAKE,
  reader: READ,
  tar: TAR,
  "writer, reader and tar together": `(${makeFile(96, `${FILE}.other`)}) & ${READ} & (${TAR}) & wait`,
};

afterEach(async () => {
  await cleanUp();
  const ours = readdirSync("/root").filter((name) => `/root/${name}`.startsWith(FILE));
  for (const name of ours) rmSync(`/root/${name}`);
  rmSync(`/var/tmp${FILE}`, { force: true });
});

const v2 = onlyOnV2("on v1 page cache makes room, or there is an OOM");

async function set(): Promise<Scene> {
  const scene = await Scene.set(["--margin", String(MARGIN)]);
  await until("memory.high", () => scene.group.read("memory.high") === String(HIGH));
  return scene;
}

/** Of all who are or were in the group. */
function cpuMs(path: string): number {
  return Number(/^usage_usec (\d+)/.exec(readFileSync(`${path}/cpu.stat`, "utf8"))?.[1]) / 1000;
}

function highsOf(group: Group): number {
  return Number(/^high (\d+)/m.exec(group.read("memory.events"))?.[1]);
}

/** Of each helper's main thread. */
function wakesOf(reprieve: Reprieve): number[] {
  return [...reprieve.helpers().values()].map((pid) =>
    Number(
      /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1],
    ),
  );
}

describeWith("file memory at memory.high", kernelTest, () => {
  for (const [name, load] of Object.entries(LOADS)) {
    v2(
      `a ${name} without end: no incident, and not each event wakes`,
      async () => {
        const scene = await set();
        const { group, reprieve } = scene;
        const helpers = `${memory.root}/reprieve-helpers-${reprieve.pid}`;
        await Bun.sleep(1000); // settled
        const [before, wakesBefore] = [cpuMs(helpers), wakesOf(reprieve)];
        const loop = `echo $$ > ${group.path}/cgroup.procs; ${MAKE}; while :; do ${load}; done`;
        const proc = Bun.spawn(["sh", "-c", loop], { stdio: ["ignore", "ignore", "ignore"] });
        await Bun.sleep(LOAD_S * 1000);
        const [took, own, highs] = [cpuMs(helpers) - before, cpuMs(group.path), highsOf(group)];
        const wakes = wakesOf(reprieve).map((after, i) => after - (wakesBefore[i] ?? 0));
        kill(proc.pid, "SIGKILL");
        await group.empty();
        await proc.exited;
        const share = ((took / own) * 100).toFixed(2);
        console.log(`${name}: ${highs} events, wakes ${wakes}; helpers' CPU ${share} % of its own`);
        expect(highs).toBeGreaterThan(10 * LOAD_S);
        expect(Math.max(...wakes)).toBeLessThan(highs / 2);
        expect(reprieve.messages.filter((m) => m.type.startsWith("incident"))).toEqual([]);
        await scene.end();
      },
      TEST_MS,
    );
  }

  /** A process that holds most of the group, and one whose code does not fit beside it. */
  async function goesRound(codeMb: number, prepare: (reprieve: Reprieve) => Promise<unknown>) {
    await Bun.spawn(["sh", "-c", makeFile(codeMb)], { stdio: ["ignore", "ignore", "ignore"] })
      .exited;
    const scene = await set();
    const { group, reprieve, board } = scene;
    const large = await board.start(group, { means: "touch", beforeKb: LARGE_KB }).ready();
    const plan = { means: "reread", kb: codeMb * 1024 } as const;
    const code = await board.start(group, plan, ["env", `WORKLOAD_FILE=${FILE}`]).ready();
    const largest = large.pid;
    await Bun.sleep(1200); // sampled
    await prepare(reprieve);
    code.go();
    const opened = await reprieve.message("incident.opened", { boundMs: THRASH_MS });
    const closed = await reprieve.message("incident.closed", { boundMs: THRASH_MS });
    expect(`${opened.cause} ${closed.outcome}`).toBe(
      scene.steps("handed-over").length > 0 ? "starving handed-over" : "starving relieved",
    );
    const victims = scene.victims();
    expect(code.isAlive()).toBe(true);
    expect(group.oom().kills).toBe(0);
    await code.stop();
    await scene.end();
    return { victims, large: largest, closed };
  }

  v2(
    "goes round: the largest is killed",
    async () => {
      const { victims, large, closed } = await goesRound(16, async () => {});
      expect(victims).toEqual([large]);
      expect(closed.reason).toBe("killed");
    },
    TEST_MS,
  );

  const stopHandler = async (reprieve: Reprieve) =>
    kill(await reprieve.helper("handler"), "SIGSTOP");

  v2(
    "goes round while the handler is stopped, until the deadline: what fits below memory.max is relief",
    async () => {
      const { victims, closed } = await goesRound(16, stopHandler);
      expect(victims).toEqual([]);
      expect(closed.reason).toBe("deadline");
    },
    TEST_MS,
  );

  v2(
    "goes round at memory.max too: the kill is ours, by the kernel's rule",
    async () => {
      const { victims, large, closed } = await goesRound(32, stopHandler);
      expect(victims).toEqual([large]);
      expect(closed.reason).toBe("deadline");
    },
    TEST_MS,
  );
});
