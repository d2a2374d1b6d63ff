// SPDX-License-Identifier: MIT
/** The flight recorder: what every process did before an OOM, read in the region of a reprieve that runs. */
import { afterEach, expect, test } from "bun:test";
import { History } from "../../src/agent/history.ts";
import { openCore } from "../../src/native/core.ts";
import { cleanUp } from "../helpers/clean.ts";
import { MB } from "../helpers/group.ts";
import { HookFile, removeHooks } from "../helpers/hook.ts";
import { SharedRegion } from "../helpers/region.ts";
import { describeWith, kernelTest, onlyOnV2 } from "../helpers/require.ts";
import { LEAK_KB, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";

afterEach(async () => {
  await cleanUp();
  removeHooks();
});

const NEIGHBOUR_KB = 4096;
/** So slow that the sampler sees it grow before it comes near, and near. */
const SLOW = { chunkKb: 256, pauseUs: 10_000 };

describeWith("the recorder", kernelTest, () => {
  const core = openCore();

  test("the frames before an OOM show who grew, and who did not", async () => {
    const scene = await Scene.set();
    const region = new SharedRegion(await scene.reprieve.helper("handler"));
    const neighbour = await scene.neighbour(NEIGHBOUR_KB);
    const before = region.scans();
    const leaker = scene.board.start(scene.group, { means: "touch", kb: LEAK_KB, ...SLOW });
    await leaker.ready();
    await until("both to be known", () => region.scans() >= before + 2);
    leaker.go();
    await scene.closed();
    await until("the leaker's death", () => !leaker.isAlive());
    const { frames, processes } = new History(core, region.copy()).frames(0, 60_000);
    region.close();

    const held = (pid: number) =>
      frames.flatMap((frame) => frame.processes.filter(([one]) => one === pid).map(([, b]) => b));
    const grown = held(leaker.pid);
    expect(grown).toEqual(grown.toSorted((a, b) => a - b));
    expect(grown.length).toBeGreaterThan(2);
    expect(grown.at(-1)).toBeGreaterThan(2 * Math.max(grown[0] ?? 0, 4 * MB));
    const steady = held(neighbour.pid);
    expect(Math.max(...steady) - (steady.at(-1) ?? 0)).toBeLessThan(2 * MB);
    expect(processes[leaker.pid]).toMatchObject({ comm: "workload", uid: 0 });
    await neighbour.stop();
    await scene.end();
  });

  const pressed = onlyOnV2("a group of v1 has no memory.pressure");
  pressed("a frame has the pressure of its group", async () => {
    const hook = new HookFile("exec sleep 10");
    const holding = ["--allow-hooks", "--order", `hook=${hook.path}`, "--hook-bound", "3s"];
    const scene = await Scene.set([...holding, "--order", "kill", "--delay", "20s"]);
    const region = new SharedRegion(await scene.reprieve.helper("handler"));
    const history = () => new History(core, region.copy()).frames(0, 60_000);
    await scene.leak();
    const isPressed = () => history().frames.some(({ pressure }) => pressure && pressure.some > 0);
    await until("a frame with pressure", isPressed, 20_000);
    region.close();
    await scene.end();
  });
});
