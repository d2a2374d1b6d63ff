// SPDX-License-Identifier: MIT
/** A victim that does not give its memory back by itself is helped, and nobody else dies for it. */
import { afterEach, expect, test } from "bun:test";
import { fixture } from "../helpers/build.ts";
import { cleanUp } from "../helpers/clean.ts";
import { Freezer, freezing } from "../helpers/freezer.ts";
import { kill } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import type { Message } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { LEAK_KB, LIMIT, OFTEN, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import type { Workload } from "../helpers/workload.ts";

const LIMIT_KB = LIMIT / 1024;

afterEach(cleanUp);

describeWith("a victim gives its memory back", [...kernelTest, freezing], () => {
  /** One that holds still with more than half of the limit, and one that wants as much. */
  async function couple(scene: Scene) {
    const plan = { means: "touch", beforeKb: LIMIT_KB * 0.6, kb: LIMIT_KB * 0.6 } as const;
    const big = await scene.board.start(scene.group, plan).ready();
    const grows = await scene.board.start(scene.group, { ...plan, beforeKb: 0 }).ready();
    return { big, grows };
  }

  async function killed(scene: Scene, big: Workload, grows: Workload): Promise<void> {
    await scene.sampled();
    grows.go();
    await until("the other to have it all", () => grows.word("done") === 1);
    expect((await scene.closed()).outcome).toBe("relieved");
    expect(scene.victims()).toEqual([big.pid]);
    expect(grows.isAlive()).toBe(true);
  }

  /** Stopped in its exit, with all its memory, until this is disposed of. */
  async function traced(workload: Workload): Promise<AsyncDisposable> {
    const tracer = Bun.spawn([fixture("tracer"), String(workload.pid), "exit"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await tracer.stdout.getReader().read(); // it has hold of it
    return {
      async [Symbol.asyncDispose]() {
        kill(tracer.pid, "SIGKILL");
        await tracer.exited;
      },
    };
  }

  async function isHelped({ reprieve }: Scene): Promise<void> {
    const where = (m: Message) => m.step === "mrelease";
    expect((await reprieve.message("incident.step", { where })).result).toBe("ok");
  }

  test("though it is frozen", async () => {
    const scene = await Scene.set(OFTEN);
    const { big, grows } = await couple(scene);
    const freezer = new Freezer([big.pid]);
    freezer.freeze();
    try {
      await killed(scene, big, grows);
      // On v2 it dies of SIGKILL, frozen.
      if (memory.version === 1) {
        expect(big.isAlive()).toBe(true); // frozen, with a pending SIGKILL and no memory
        await isHelped(scene);
      }
    } finally {
      await freezer.remove(); // and dies
    }
    await grows.stop();
    await scene.end();
  });

  test("though a tracer holds it in its exit", async () => {
    const scene = await Scene.set(OFTEN);
    const { big, grows } = await couple(scene);
    {
      await using _ = await traced(big);
      await killed(scene, big, grows);
      expect(big.isAlive()).toBe(true);
      await isHelped(scene);
    }
    await grows.stop();
    await scene.end();
  });

  test("the same of one that was born a moment ago, whom nothing was opened for", async () => {
    const scene = await Scene.set(OFTEN);
    const neighbour = await scene.neighbour(4096);
    await scene.sampled();
    const leaker = await scene.board.start(scene.group, { means: "touch", kb: LEAK_KB }).ready();
    {
      await using _ = await traced(leaker);
      leaker.go();
      await until("room", () => scene.victims().length > 0 && !scene.group.oom().waiting);
      expect(leaker.isAlive()).toBe(true);
      await isHelped(scene);
    }
    expect((await scene.closed()).outcome).toBe("relieved");
    expect(scene.victims()).toEqual([leaker.pid]);
    expect(neighbour.isAlive()).toBe(true);
    await scene.end();
  });
});
