// SPDX-License-Identifier: MIT
/** How much is killed at most: in one incident, in an hour of a group, in an hour of all; of a session its leader alone. */
import { expect, test } from "bun:test";
import { type ConfigFile, FEED, guard, onStage } from "../helpers/config.ts";
import { Group } from "../helpers/group.ts";
import { memory } from "../helpers/memory.ts";
import { FINISH_MS, ordered, words } from "../helpers/orders.ts";
import type { Message, Reprieve } from "../helpers/reprieve.ts";
import { describeWith, kernelTest } from "../helpers/require.ts";
import { DELAY_MS, LEAK_KB, LIMIT, Scene } from "../helpers/scene.ts";
import { until } from "../helpers/wait.ts";
import { type Board, isAlive } from "../helpers/workload.ts";

const TEST_MS = 60_000;
/** So many that what the first victim had is taken again before relief can hold. */
const LEAKERS = 12;
const TRIES = 10;

let config: ConfigFile;
let board: Board;
onStage((stage) => {
  ({ config, board } = stage);
});

async function guarded(groups: readonly Group[], host: string, each: string): Promise<Reprieve> {
  const guards = groups.map(({ path }, index) =>
    guard(`g${index}`, path.slice(memory.root.length), `delay = "${DELAY_MS}ms"\n${each}\n`),
  );
  config.write(`${FEED}[allow]\nkill = true\n${host}\n${guards.join("")}`);
  return config.start(groups.length);
}

/** The end of the OOM that leakers in that group come to. */
async function oomOf(reprieve: Reprieve, group: Group, leakers = 1): Promise<Message> {
  const from = reprieve.messages.length;
  const plan = { means: "touch", kb: LEAK_KB } as const;
  const all = await Promise.all(
    Array.from({ length: leakers }, () => board.start(group, plan).ready()),
  );
  for (const leaker of all) leaker.go();
  const closed = await reprieve.message("incident.closed", { from, boundMs: FINISH_MS });
  await until("a death", () => all.some((leaker) => !leaker.isAlive()), FINISH_MS);
  for (const leaker of all) await leaker.stop();
  return closed;
}

function kills({ messages }: Reprieve): Message[] {
  return messages.filter(({ step, result }) => step === "kill" && result === "ok");
}

async function end(reprieve: Reprieve, ...groups: Group[]): Promise<void> {
  expect(await reprieve.stop()).toBe(0);
  await reprieve.gone();
  for (const group of groups) await group.destroy();
}

describeWith("caps", kernelTest, () => {
  test(
    "in an hour: the kernel decides when as many were killed",
    async () => {
      const group = new Group("hour", { limit: LIMIT });
      const reprieve = await guarded([group], "", "caps.hour = 2");
      for (const outcome of ["relieved killed", "relieved killed", "handed-over hour-cap"]) {
        expect(words(await oomOf(reprieve, group))).toBe(outcome);
      }
      expect(kills(reprieve).length).toBe(2);
      await end(reprieve, group);
    },
    TEST_MS,
  );

  test(
    "of the host: one group's kill is another's too",
    async () => {
      const groups = ["one", "other"].map((name) => new Group(name, { limit: LIMIT }));
      const reprieve = await guarded(groups, "[caps]\nhour = 1", "");
      const [one, other] = groups;
      if (one === undefined || other === undefined) throw new RangeError("two groups");
      expect(words(await oomOf(reprieve, one))).toBe("relieved killed");
      expect(words(await oomOf(reprieve, other))).toBe("handed-over host-cap");
      expect(kills(reprieve).length).toBe(1);
      await end(reprieve, ...groups);
    },
    TEST_MS,
  );

  test(
    "in one incident: the second victim is the kernel's",
    async () => {
      const group = new Group("incident", { limit: LIMIT });
      const reprieve = await guarded([group], "", "caps.incident = 1");
      let outcome = "";
      // On a busy machine one victim may be enough.
      for (let i = 0; i < TRIES && outcome !== "handed-over kill-cap"; i += 1) {
        outcome = words(await oomOf(reprieve, group, LEAKERS));
      }
      expect(outcome).toBe("handed-over kill-cap");
      const incidents = kills(reprieve).map(({ incident }) => incident);
      expect(new Set(incidents).size).toBe(incidents.length);
      await end(reprieve, group);
    },
    TEST_MS,
  );
});

describeWith("a session leader that leaks", kernelTest, () => {
  for (const order of ["kill", "terminate"]) {
    test(
      `dies alone by ${order}: his children, in his session and his group of processes, live`,
      async () => {
        const scene = await Scene.set([...ordered(order), "--delay", "3s"]);
        const { group } = scene;
        const family = `echo 0 > ${group.path}/cgroup.procs; sleep 1000 & sleep 1000 & exec "$0" "$@"`;
        const { leaker, closed } = await scene.leak(["setsid", "sh", "-c", family]);
        expect(closed.outcome).toBe("relieved");
        const children = group.procs();
        expect(children).toHaveLength(2);
        expect(children.every(isAlive)).toBe(true);
        expect(children).not.toContain(leaker.pid);
        expect(group.oom().kills).toBe(0);
        await scene.end();
      },
      TEST_MS,
    );
  }
});
