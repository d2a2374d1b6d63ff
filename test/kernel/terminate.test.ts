// SPDX-License-Identifier: MIT
/** The order "terminate": SIGTERM, room to act on it, and SIGKILL where the time is over. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { ConfigFile, FEED, guard } from "../helpers/config.ts";
import { Group, kill, MB } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, limitIs, ordered, words } from "../helpers/orders.ts";
import { sampled } from "../helpers/region.ts";
import { type Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { isAlive, type Workload } from "../helpers/workload.ts";

const TEST_MS = 60_000;
const KB = 1024;
/** On v2 one sleeps over memory.high for up to 2 s, and handles the signal then. */
const GRACE_MS = 300 + memory.sleepsOnMs;
const TERMINATE = `terminate=${GRACE_MS}ms`;
const LONG = ["--delay", `${GRACE_MS + 1000}ms`];

const config = new ConfigFile();

afterEach(cleanUp);
afterAll(() => config.remove());

/** Leaks, and minds SIGTERM so. */
async function leakMinding(scene: Scene, how: "end" | "ignore", kb = LEAK_KB) {
  const wrapper = ["env", `WORKLOAD_ON_TERM=${how}`];
  const leaker = await scene.board.start(scene.group, { means: "touch", kb }, wrapper).ready();
  // It is known by then; of a newborn there is a test of its own.
  await scene.sampled();
  leaker.go();
  return leaker;
}

/** A child that ignores SIGTERM leaks, and has all of it before anybody looks again. */
async function leakNewborn(graceMs = GRACE_MS) {
  const group = new Group("scene", { limit: LIMIT });
  const path = group.path.slice(memory.root.length);
  config.write(`${FEED}${guard("a", path, 'sampling.near = "1s"\n')}`);
  // Near all the time, as always on v2: no threshold makes the sampler look just when the child grows.
  const near = memory.armsLate ? ["--margin", "40M"] : [];
  const orders = [...ordered(`terminate=${graceMs}ms`), "--delay", `${graceMs + 1000}ms`];
  const args = ["--config", config.path, ...orders, ...near];
  const scene = await Scene.around(group, args);
  const stands = await scene.board
    .start(group, { means: "touch", beforeKb: (LIMIT / KB) * 0.3 })
    .ready();
  const wrapper = ["env", "WORKLOAD_ON_TERM=ignore"];
  const plan = { means: "newborn", beforeKb: KB, kb: LEAK_KB } as const;
  const parent = await scene.board.start(group, plan, wrapper).ready();
  await scene.sampled(); // just now: the next look is a second away
  parent.go();
  return { scene, others: [parent, stands], child: () => parent.pids()[1] ?? 0 };
}

async function expectOthersAlive(scene: Scene, others: readonly Workload[]): Promise<void> {
  expect(others.every((one) => one.isAlive())).toBe(true);
  for (const one of others) await one.stop();
  await limitIs(scene.group, LIMIT);
  expect(scene.group.oom().kills).toBe(0);
  await scene.end();
}

function pidsOf(scene: Scene, step: string): unknown[] {
  return scene.steps(step).map(({ pid }) => pid);
}

function closed(scene: Scene): Promise<Message> {
  return scene.reprieve.message("incident.closed", { boundMs: GRACE_MS + FINISH_MS });
}

async function expectEnd(scene: Scene, leaker: Workload): Promise<void> {
  await until("its end", () => !leaker.isAlive(), FINISH_MS);
  await limitIs(scene.group, LIMIT);
  expect(scene.group.oom().kills).toBe(0);
  await scene.end();
}

describeWith("the order terminate", kernelTest, () => {
  test(
    "lets one that sleeps in the OOM handle SIGTERM: it needs no SIGKILL, and the room is given back",
    async () => {
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      const leaker = await leakMinding(scene, "end");
      expect(words(await closed(scene))).toBe("relieved terminated");
      expect(leaker.word("turns")).toBe(1);
      expect(pidsOf(scene, "terminate")).toEqual([leaker.pid]);
      expect(scene.steps("room").map(({ result }) => result)).toEqual(["ok"]);
      expect(scene.victims()).toEqual([]);
      await expectEnd(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "kills one that ignores it when its time is over, and no sooner",
    async () => {
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      const leaker = await leakMinding(scene, "ignore");
      expect(words(await closed(scene))).toBe("relieved killed");
      expect(pidsOf(scene, "terminate")).toEqual([leaker.pid]);
      expect(scene.victims()).toEqual([leaker.pid]);
      const [asked, killed] = ["terminate", "kill"].map((step) => scene.steps(step)[0]?.at_us);
      expect(Number(killed) - Number(asked)).toBeGreaterThanOrEqual(GRACE_MS * 1000);
      await expectEnd(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "does not take the room for relief: one that fits in there and does not end is killed",
    async () => {
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      const leaker = await leakMinding(scene, "ignore", (LIMIT + MB) / KB);
      expect(words(await closed(scene))).toBe("relieved killed");
      expect(scene.victims()).toEqual([leaker.pid]);
      await expectEnd(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "within the default delay ends one that minds nothing",
    async () => {
      const scene = await Scene.set(ordered("terminate"));
      const { leaker, closed } = await scene.leak();
      expect(words(closed)).toBe("relieved terminated");
      expect(scene.victims()).toEqual([]);
      await expectEnd(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "takes one, and where that is not enough the next order follows at once",
    async () => {
      const prefer = ["--prefer", "cgroup=workers,weight=40"];
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE, "kill"), ...prefer]);
      const plan = { means: "touch", beforeKb: (LIMIT / KB) * 0.1 } as const;
      const workers = scene.group.child("workers");
      const worker = await scene.board.start(workers, plan).ready();
      const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
      await scene.sampled();
      leaker.go();
      await closed(scene);
      expect(pidsOf(scene, "terminate")).toEqual([worker.pid]);
      expect(scene.victims()).toEqual([leaker.pid]);
      await expectEnd(scene, leaker);
    },
    TEST_MS,
  );

  test(
    "kills a newborn that ignores it, too",
    async () => {
      const { scene, others, child } = await leakNewborn();
      expect(words(await closed(scene))).toBe("relieved killed");
      expect(scene.steps("chose").map(({ evidence }) => evidence)).toEqual(["unexplained"]);
      expect(pidsOf(scene, "terminate")).toEqual([child()]);
      expect(scene.victims()).toEqual([child()]);
      await until("its end", () => !isAlive(child()), FINISH_MS);
      await expectOthersAlive(scene, others);
    },
    TEST_MS,
  );

  test(
    "never kills who has got the number of a newborn that has ended",
    async () => {
      const graceMs = 5 * GRACE_MS;
      const { scene, others, child } = await leakNewborn(graceMs);
      await scene.reprieve.message("incident.step", { where: (m) => m.step === "terminate" });
      const handler = await scene.reprieve.helper("handler");
      // It sees one process of that number before, and one afterwards.
      kill(handler, "SIGSTOP");
      kill(child(), "SIGKILL");
      await until("its number to be free", () => !existsSync(`/proc/${child()}`), FINISH_MS);
      const plan = { means: "touch", beforeKb: KB } as const;
      const asPid = [fixture("as-pid"), String(child())];
      const heir = await scene.board.start(scene.group, plan, asPid).ready();
      kill(handler, "SIGCONT");
      expect(heir.pid).toBe(child());
      await closed(scene);
      await Bun.sleep(graceMs);
      expect(scene.victims()).toEqual([]);
      await expectOthersAlive(scene, [...others, heir]);
    },
    TEST_MS,
  );

  test(
    "without the power is only told",
    async () => {
      const { group, board, reprieve } = await Scene.set();
      await reprieve.stop();
      const args = ["run", "--cgroup", group.path, "--json", "--listen", "none"];
      const observing = Reprieve.start([...args, ...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      await observing.armed(1);
      const wrapper = ["env", "WORKLOAD_ON_TERM=end"];
      const plan = { means: "touch", kb: LEAK_KB } as const;
      const leaker = await board.start(group, plan, wrapper).ready();
      await sampled(observing); // on v2 it is told by the last sample
      leaker.go();
      await observing.message("incident.closed", { boundMs: FINISH_MS });
      const would = observing.messages.find(({ step }) => step === "would-kill");
      expect(would?.pid).toBe(leaker.pid);
      expect(leaker.word("turns")).toBe(0);
      expect(group.limit()).toBe(LIMIT);
      await observing.stop();
      await group.destroy();
      board.close();
    },
    TEST_MS,
  );

  test(
    "is the kernel's when the handler dies meanwhile, and the room is given back",
    async () => {
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      const leaker = await leakMinding(scene, "ignore");
      await scene.reprieve.message("incident.step", { where: (m) => m.step === "room" });
      kill(await scene.reprieve.helper("handler"), "SIGKILL");
      expect(words(await closed(scene))).toBe("handed-over handler-dead");
      await until("its end", () => !leaker.isAlive(), FINISH_MS);
      expect(scene.victims()).toEqual([]);
      await limitIs(scene.group, LIMIT);
      await scene.end();
    },
    TEST_MS,
  );

  test(
    "owes its room: release gives it back when all of ours were killed meanwhile",
    async () => {
      const scene = await Scene.set([...OFTEN, ...LONG, ...ordered(TERMINATE)]);
      const leaker = await leakMinding(scene, "ignore");
      await scene.reprieve.message("incident.step", { where: (m) => m.step === "room" });
      scene.reprieve.killAll();
      expect(scene.group.limit()).toBeGreaterThan(LIMIT);
      await leaker.stop();
      const { out } = await Reprieve.ends(["release"]);
      expect(out).toContain(`${scene.group.path}: its limit is as it was`);
      await scene.expectAsBefore();
    },
    TEST_MS,
  );
});
