// SPDX-License-Identifier: MIT
/** The cases in which a killer easily takes the wrong process. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { makeFolder, removeFolder } from "../helpers/folder.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest, onlyOnV1 } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { Board } from "../helpers/workload.ts";

const LIMIT_KB = LIMIT / 1024;
const SAMPLED_MS = 1200; // SAMPLE_FAR_MS of native/limits.h, and some
const EXIT_ROUNDS = 40; // it takes about 20 to hit the moment once
const ORPHAN_ROUNDS = 12; // one in four hits the moment
const ORPHANS_MS = 30_000;

afterEach(cleanUp);

const tasks = onlyOnV1("on v2 the threads of a process are in one memory group");
const starving = onlyOnV1("on v2 system calls do not fail while a group is held: they sleep");

describeWith("victims", kernelTest, () => {
  test("of two similar processes the one that grew in the last second is killed", async () => {
    const scene = await Scene.set();
    const { board, group } = scene;
    // Sampled as the larger, and then overtaken.
    const still = await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.4 }).ready();
    const plan = { means: "touch", beforeKb: LIMIT_KB * 0.35, kb: LEAK_KB } as const;
    const grows = await board.start(group, plan).ready();
    await Bun.sleep(SAMPLED_MS);
    grows.go();
    await until("a death", () => !grows.isAlive() || !still.isAlive());
    await scene.closed();
    expect(scene.victims()).toEqual([grows.pid]);
    expect(still.isAlive()).toBe(true);
    await scene.end();
  });

  test("who has become another program since he was sampled is told by the name that he has when he is killed", async () => {
    const scene = await Scene.set();
    const fifo = `${makeFolder("test")}/go`;
    Bun.spawnSync(["mkfifo", fifo]);
    // Its parent does not wait for it: the name is there for who comes late, too.
    const script =
      'echo 0 >"$0/cgroup.procs" && { { read line <"$1" && exec tail /dev/zero; } & } && exec sleep 60';
    const parent = Bun.spawn(["sh", "-c", script, scene.group.path, fifo]);
    await scene.sampled();
    writeFileSync(fifo, "\n");
    await scene.closed();
    expect(scene.steps("kill")[0]?.comm).toBe("tail");
    expect(scene.steps("victim-dead")[0]?.comm).toBe("tail");
    parent.kill("SIGKILL");
    await parent.exited;
    removeFolder(dirname(fifo));
    await scene.end();
  });

  test("a fresh fork that holds all the memory is found", async () => {
    // Near all the time, as always on v2: no threshold makes the sampler look just when the fork grows.
    const scene = await Scene.set(memory.armsLate ? ["--margin", "44M"] : []);
    const neighbour = await scene.neighbour(LIMIT_KB * 0.2);
    const plan = { means: "newborn", beforeKb: 1024, kb: LEAK_KB } as const;
    const parent = await scene.board.start(scene.group, plan).ready();
    await scene.sampled();
    parent.go();
    await scene.closed();
    const [, child] = parent.pids();
    expect(scene.victims()).toEqual([child ?? 0]);
    expect(parent.isAlive()).toBe(true);
    expect(neighbour.isAlive()).toBe(true);
    await scene.end();
  });

  test("where a huge page fits and the table for it does not, nobody sleeps for ever", async () => {
    const scene = await Scene.set(memory.armsLate ? ["--margin", "44M"] : []);
    const plan = { means: "touch", beforeKb: LIMIT_KB * 0.6 } as const;
    const still = await scene.board.start(scene.group, plan).ready();
    const parent = await scene.board
      .start(scene.group, { means: "newborn", beforeKb: 1024, kb: LEAK_KB })
      .ready();
    await scene.sampled();
    parent.go();
    await until("both kills to be told", () => scene.victims().length === 2);
    expect(scene.victims()).toEqual([still.pid, parent.pids()[1] ?? 0]);
    await scene.end();
  });

  test("among 60 others, more than are held ready, the one that grows is found", async () => {
    const scene = await Scene.set(OFTEN);
    const crowd = { means: "fork", kb: LIMIT_KB * 0.4, parts: 60 } as const;
    const others = await scene.board.start(scene.group, crowd).ready();
    others.go();
    await until("the crowd to be there", () => others.word("done") === crowd.parts);
    await scene.sampled();
    const { leaker } = await scene.leak();
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(others.living()).toHaveLength(crowd.parts);
    await others.stop();
    await scene.end();
  });

  test("a victim that exits by itself at the same moment costs nobody else his life", async () => {
    const scene = await Scene.set();
    const neighbour = await scene.neighbour(4096);
    const board = new Board();
    for (let i = 0; i < EXIT_ROUNDS; i += 1) {
      // It leaves when its leaking thread stood still for 100 us and more: when the kill comes.
      const plan = { means: "quit", kb: LEAK_KB, parts: 1 + (i % 5) } as const;
      board.clear();
      const quits = await board.start(scene.group, plan).ready();
      quits.go();
      await until("its end", () => !quits.isAlive());
      await until("no OOM", () => !scene.group.oom().waiting);
      for (const victim of scene.victims()) expect(victim).not.toBe(neighbour.pid);
      expect(neighbour.isAlive()).toBe(true);
    }
    const opened = scene.reprieve.messages.filter((m) => m.type === "incident.opened").length;
    console.log(`exits by itself: ${opened} OOMs, ${scene.victims().length} kills`);
    expect(opened).toBeGreaterThan(0);
    board.close();
    await scene.end();
  });

  for (const place of ["outside the group", "in the group"]) {
    test(`a process that got the pid of a sampled one lives (${place})`, async () => {
      const scene = await Scene.set(OFTEN);
      const { board, group } = scene;
      const first = await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.5 }).ready();
      await scene.sampled();
      const pid = first.pid;
      const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
      await first.stop();
      await Bun.sleep(20); // the pid is free when its parent has reaped it
      const inside = place === "in the group";
      const heir = board.start(
        inside ? group : null,
        { means: "touch", beforeKb: inside ? 512 : LIMIT_KB },
        [fixture("as-pid"), String(pid)],
      );
      await heir.ready();
      expect(heir.pid).toBe(pid);
      leaker.go();
      await scene.closed();
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(heir.isAlive()).toBe(true);
      await heir.stop();
      await scene.end();
    });
  }

  test("reprieve's own is never killed, be it the largest of the group", async () => {
    const scene = await Scene.set(["--handler", "inside"]);
    const { board, group, reprieve } = scene;
    // The agent too; what it touches from now on is charged here.
    group.add(reprieve.pid);
    const helpers = reprieve.helpers();
    // A tree of leakers that are each smaller than the agent's resident set. All are born before the
    // group is full: a fork that fails there is no OOM.
    const slow = { chunkKb: 64, pauseUs: 1000 };
    const plan = { means: "fork", kb: LIMIT_KB * 1.2, parts: 24, ...slow } as const;
    const leaker = await board.start(group, plan).ready();
    leaker.go();
    await until("all to be born", () => leaker.pids().length === plan.parts);
    await until("a death", () => leaker.living().length < plan.parts);
    await until("no OOM", () => !group.oom().waiting);
    await leaker.stop();
    await scene.closed(); // only now: in the full group the agent's writes failed
    expect(reprieve.helpers()).toEqual(helpers);
    expect(reprieve.proc.exitCode).toBeNull();
    expect(scene.victims().length + group.oom().kills).toBeGreaterThan(0);
    for (const victim of scene.victims()) expect(leaker.pids()).toContain(victim);
    await scene.end();
  });

  for (const [age, ageMs] of [
    ["seconds", SAMPLED_MS],
    ["milliseconds", 0],
  ] as const) {
    test(`a big process of ${age} that moved in after growing lives`, async () => {
      const scene = await Scene.set(OFTEN);
      const { board, group } = scene;
      const big = await board.start(null, { means: "outside", beforeKb: LIMIT_KB * 2 }).ready();
      await Bun.sleep(ageMs);
      group.add(big.pid);
      const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
      await scene.sampled();
      leaker.go();
      await until("a death", () => !leaker.isAlive() || !big.isAlive());
      await scene.closed();
      expect(scene.victims()).toEqual([leaker.pid]);
      expect(big.isAlive()).toBe(true);
      await scene.end();
    });
  }

  tasks("a process outside with one thread in the group lives", async () => {
    const scene = await Scene.set(OFTEN);
    const { board, group } = scene;
    const plan = { means: "thread-in", beforeKb: 64, kb: LIMIT_KB * 2 } as const;
    const outside = await board.start(group, plan).ready();
    outside.go();
    await until("it to have grown", () => outside.word("done") === 1);
    expect(group.procs()).toContain(outside.pid);
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    await scene.sampled();
    leaker.go();
    await until("a death", () => !leaker.isAlive() || !outside.isAlive());
    await scene.closed();
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(outside.isAlive()).toBe(true);
    await outside.stop();
    await scene.end();
  });

  tasks("a process whose leader has left the group lives", async () => {
    const scene = await Scene.set(OFTEN);
    const { board, group } = scene;
    const left = await board.start(group, { means: "leave", kb: LIMIT_KB * 2 }).ready();
    await scene.sampled(); // sampled with its leader
    left.go();
    await until("it to have grown outside", () => left.word("done") === 1);
    expect(group.procs()).toContain(left.pid);
    await scene.sampled();
    const { leaker } = await scene.leak();
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(left.isAlive()).toBe(true);
    await left.stop();
    await scene.end();
  });

  for (const pauseUs of [0, 2000]) {
    test(`a process whose leader is dead is found (pause ${pauseUs} us)`, async () => {
      const scene = await Scene.set();
      const neighbours = [await scene.neighbour(2048), await scene.neighbour(3072)];
      const plan = { means: "orphan", kb: LEAK_KB, chunkKb: 256, pauseUs } as const;
      const orphan = await scene.board.start(scene.group, plan).ready();
      orphan.go();
      const { outcome } = await scene.closed();
      await until("its death", () => !orphan.isAlive());
      // Full speed outruns the sampler: then nobody that is seen holds the memory, and the kernel decides.
      expect(["relieved", "handed-over"]).toContain(String(outcome));
      for (const victim of scene.victims()) expect(victim).toBe(orphan.pid);
      // The kernel takes a second one a few milliseconds after one whose leader is dead (seen).
      if (outcome === "relieved") expect(neighbours.every((one) => one.isAlive())).toBe(true);
      await scene.end();
    });
  }

  // Born since the last look: of the list of tasks a dead leader is no part.
  tasks(
    "nobody dies for a newborn whose leader is dead",
    async () => {
      for (let i = 0; i < ORPHAN_ROUNDS; i += 1) {
        const scene = await Scene.set(["--margin", "4K"]); // or the sampler looks in time
        const neighbours = [await scene.neighbour(2048), await scene.neighbour(3072)];
        const plan = { means: "orphan", kb: LEAK_KB, chunkKb: 256 } as const;
        const orphan = await scene.board.start(scene.group, plan).ready();
        orphan.go();
        const { outcome } = await scene.closed();
        await until("its death", () => !orphan.isAlive());
        // Where nobody answers in time, on a busy machine, CPU time decides, and may be wrong.
        const chosen = scene.steps("chose").filter((step) => step.evidence !== "busiest");
        for (const { pid } of chosen) expect(pid).toBe(orphan.pid);
        if (outcome === "relieved") expect(neighbours.every((one) => one.isAlive())).toBe(true);
        await scene.end();
      }
    },
    ORPHANS_MS,
  );

  test("nobody dies for a process that lives beyond the sampled children", async () => {
    const group = new Group("many", { limit: LIMIT });
    for (let i = 0; i < 40; i += 1) group.child(`c${i}`);
    // As a directory lists them: the guard's group and the first 31 are sampled (GROUPS_MAX).
    const children = readdirSync(group.path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => group.child(entry.name));
    const reprieve = await Reprieve.guard([group.path]);
    const board = new Board();
    const steady = { means: "steady", beforeKb: 2048, pauseUs: 500 } as const;
    const neighbours = children.slice(0, 4).map((child) => board.start(child, steady));
    for (const neighbour of neighbours) (await neighbour.ready()).go();
    // It stands there for a while: nothing has grown that nobody explains.
    const slow = { beforeKb: LIMIT_KB * 0.7, kb: LEAK_KB, chunkKb: 64, pauseUs: 5000 };
    const hog = await board.start(children[35] ?? group, { means: "touch", ...slow }).ready();
    hog.go();
    const closed = await reprieve.message("incident.closed");
    expect(closed.outcome).toBe("handed-over");
    expect(closed.reason).toBe("no-candidate");
    await until("its death", () => !hog.isAlive());
    for (const neighbour of neighbours) expect(neighbour.isAlive()).toBe(true);
    expect(await reprieve.stop()).toBe(0);
    await group.destroy();
    board.close();
  });

  starving("a group that starves without an event is relieved", async () => {
    const scene = await Scene.set(OFTEN);
    const { board, group, reprieve } = scene;
    const hog = await board.start(group, { means: "touch", beforeKb: LIMIT_KB * 0.6 }).ready();
    const plan = { means: "write", kb: LIMIT_KB * 0.6, pauseUs: 200 } as const;
    const writer = await board.start(group, plan).ready();
    await scene.sampled();
    writer.go();
    await until("its writes to fail", () => writer.word("failedCalls") > 0);
    const opened = await reprieve.message("incident.opened");
    expect(opened.cause).toBe("starving");
    expect((await scene.closed()).outcome).toBe("relieved");
    expect(scene.victims()).toEqual([hog.pid]);
    await until("the writer to end", () => writer.word("done") === 1);
    board.dropHeld();
    await writer.stop();
    await scene.end();
  });

  test("who holds a tmpfs file lives when a smaller process leaks anonymous memory", async () => {
    const scene = await Scene.set(OFTEN);
    const { board, group } = scene;
    const holder = await board.start(group, { means: "file", kb: LIMIT_KB * 0.7 }).ready();
    holder.go();
    await until("the file to be full", () => holder.word("done") === 1);
    await scene.sampled();
    const leaker = await board.start(group, { means: "touch", kb: LEAK_KB }).ready();
    leaker.go();
    await until("a death", () => !leaker.isAlive() || !holder.isAlive());
    const closed = await scene.closed();
    expect(closed.outcome).toBe("relieved");
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(holder.isAlive()).toBe(true);
    await holder.stop();
    await scene.end();
  });

  test("where killing does not help, the kernel decides and nobody small is killed", async () => {
    const scene = await Scene.set();
    const { board, group, reprieve } = scene;
    const neighbour = await scene.neighbour(256);
    const holder = await board.start(group, { means: "file", kb: LEAK_KB }).ready();
    // The file stays when its writer is dead, so the neighbour's next fresh page is one too many.
    holder.go();
    const step = await reprieve.message("incident.step", {
      where: (m) => m.step === "handed-over",
    });
    expect(Number(step.at_us) / 1000).toBeLessThan(1000);
    for (const victim of scene.victims()) expect(victim).toBe(holder.pid);
    expect(scene.victims().length).toBeLessThanOrEqual(1);
    const closed = await reprieve.message("incident.closed", {
      where: (m) => m.outcome !== "relieved",
    });
    expect(["handed-over", "unrelieved"]).toContain(String(closed.outcome));
    board.dropHeld();
    await neighbour.stop();
    await scene.end();
  });
});
